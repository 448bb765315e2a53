"""Embeddings of every labelled face: in its canonical window, in shifted and scaled ones, and changed in other ways.

Writes OUT/looks-SET.npz of one encoder: `embeddings` (N, L, D) float16 and `boxes` (N, L, 4) float32, in the order of
`LOOKS`; `light` (N, 2) float32, brightness and contrast in the look `NEAR_LOOK`; `rounded_at` (M,), indices of training
faces whose embeddings in that look were also computed in int8, and `rounding` (M, D) float32, the differences (none
if the model has no int8 form). Writes OUT/others.npz: windows that show no face, faces that are covered, and faces
turned in the picture.

Run: python experiments/reader/looks.py MODEL --data DATA --work WORK --out OUT
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from faces import SETS, Faces, Pictures, arguments, read_faces

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load, load_for_reading
from fabnet.faces.crop import cut, upright
from fabnet.faces.quality import light_of

LOOKS = ("canonical", "near", "near", "far", "far", "grey", "tight")
"""Looks at a face: its canonical window; windows beside it; a grey picture of other brightness; a grey one of 48 px,
framed tightly, as those of FER+ and CK+."""
NEAR_LOOK = 1
"""A window beside the canonical one, as reading leaves it."""
NEAR, FAR = (0.02, 0.04), (0.07, 0.12)
"""Standard deviations of the shift, in sides of the crop, and of the logarithm of the scale."""
NO_FACE, TILTED, COVERED, TURNED = 0, 1, 2, 3
"""Other windows: without a face; a face that leans to a side, as people hold their heads; covered; on its side or
upside down."""
TILTED_DEG, TURNED_DEG = (15.0, 45.0), (75.0, 180.0)
"""By how much tilted and turned faces are turned, to either side."""
MOST_ROUNDED = 700
"""Upper bound of the faces of a set that are embedded in int8 too."""
AT_ONCE = 8


def boxes_of(windows: np.ndarray) -> np.ndarray:
    """(N, 3) centre and side to (N, 4) float32 boxes."""
    half = windows[:, 2:] / 2
    return np.asarray(np.concatenate([windows[:, :2] - half, windows[:, :2] + half], axis=1), np.float32)


def look(
    image: np.ndarray, window: np.ndarray, crop: float, kind: str, rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """One look at a face: (size, size, 3) uint8, and the (4,) box that it shows, in pixels of the picture."""
    middle, side = window[:2], window[2]
    if kind in ("near", "far"):
        shift, scale = NEAR if kind == "near" else FAR
        middle, side = middle + rng.normal(0, shift, 2) * crop, side * np.exp(rng.normal(0, scale))
    box = boxes_of(np.array([[*middle, side]]))[0]
    if kind == "grey":
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255.0
        image = np.repeat((255 * grey ** np.exp(rng.uniform(-0.5, 0.5)))[:, :, None], 3, axis=2).astype(np.uint8)
    if kind != "tight":
        return cut(image, box, size), box
    reach = crop * rng.uniform(0.22, 0.29)
    left, top = np.maximum(middle - reach, 0).astype(int)
    part = image[top : max(int(middle[1] + reach), top + 2), left : max(int(middle[0] + reach), left + 2)]
    if not part.size:
        return cut(image, box, size), box
    small = cv2.resize(
        cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY), (48, 48), interpolation=cv2.INTER_AREA
    )
    scale_xy = np.tile([48 / part.shape[1], 48 / part.shape[0]], 2)
    inner = ((box - np.tile([left, top], 2)) * scale_xy).astype(np.float32)
    return cut(np.repeat(small[:, :, None], 3, axis=2), inner, size), box


def embedded(encoder: Embedder, views: list[np.ndarray]) -> np.ndarray:
    """(N, D) float16 embeddings of views."""
    parts = [encoder.embed_views(np.stack(views[i : i + AT_ONCE])) for i in range(0, len(views), AT_ONCE)]
    return np.concatenate(parts).astype(np.float16)


def write_looks(faces: Faces, read: Pictures, encoder: Embedder, int8: Embedder | None, file: Path) -> None:
    """Embed the looks at a set's faces."""
    share = encoder.card.window[2]
    rng, size = np.random.default_rng(0), encoder.card.size
    embeddings = np.empty((len(faces.names), len(LOOKS), encoder.embedding_dim), np.float16)
    boxes, light = np.empty((len(faces.names), len(LOOKS), 4), np.float32), np.empty((len(faces.names), 2), np.float32)
    for place, (name, window) in enumerate(zip(faces.names, faces.heads.windows, strict=True)):
        image = read(str(name))
        seen = [look(image, window, window[2] / share, kind, rng, size) for kind in LOOKS]
        embeddings[place] = embedded(encoder, [view for view, _ in seen])
        boxes[place] = [box for _, box in seen]
        light[place] = [float(each[0]) for each in light_of(seen[NEAR_LOOK][0][None])]
    rounded_at, rounding = np.zeros(0, int), np.zeros((0, encoder.embedding_dim), np.float32)
    if int8 is not None:
        rounded_at = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(faces.is_train))[:MOST_ROUNDED])
        views = [cut(read(str(faces.names[i])), boxes[i, NEAR_LOOK], size) for i in rounded_at]
        rounding = embedded(int8, views).astype(np.float32) - embeddings[rounded_at, NEAR_LOOK]
    np.savez(file, embeddings=embeddings, boxes=boxes, light=light, rounded_at=rounded_at, rounding=rounding)
    print(f"{faces.name}: {len(faces.names):,} faces", flush=True)


def other_views(
    image: np.ndarray, window: np.ndarray, crop: float, rng: np.random.Generator, size: int
) -> list[tuple[np.ndarray, int]]:
    """Windows of a picture that show no face, or a covered, tilted or turned one, each with its label."""
    height, width = image.shape[:2]
    made: list[tuple[np.ndarray, int]] = []

    def add(picture: np.ndarray, x: float, y: float, side: float, label: int) -> None:
        made.append((cut(picture, boxes_of(np.array([[x, y, side]]))[0], size), label))

    x, y, side = window
    for _ in range(20):
        far_x, far_y, far_side = rng.uniform(0, width), rng.uniform(0, height), side * np.exp(rng.normal(0, 0.5))
        if max(abs(far_x - x), abs(far_y - y)) > 0.65 * max(side, far_side):
            add(image, far_x, far_y, far_side, NO_FACE)
            break
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.9) * side
    add(image, x + distance * np.cos(angle), y + distance * np.sin(angle), side * np.exp(rng.normal(0, 0.15)), NO_FACE)
    if rng.random() < 0.5:
        add(image, x, y, side * (rng.uniform(2, 3.5) if rng.random() < 0.5 else rng.uniform(0.25, 0.45)), NO_FACE)
    is_whole = rng.random() < 0.3
    face = crop * 0.55
    tall, wide = rng.uniform(0.9, 1.2, 2) * face if is_whole else rng.uniform((0.3, 0.4), (0.75, 1.0)) * face
    over_x, over_y = np.array([x, y]) + (rng.normal(0, 0.05, 2) if is_whole else rng.uniform(-0.3, 0.3, 2)) * face
    top, bottom = int(max(over_y - tall / 2, 0)), int(min(over_y + tall / 2, height))
    left, right = int(max(over_x - wide / 2, 0)), int(min(over_x + wide / 2, width))
    if bottom - top > 2 and right - left > 2:
        covered = image.copy()
        covered[top:bottom, left:right] = patch(image, bottom - top, right - left, rng)
        add(covered, x, y, side, NO_FACE if is_whole else COVERED)
    for label, limits in ((TILTED, TILTED_DEG), (TURNED, TURNED_DEG)):
        shift, scale = rng.normal(0, FAR[0], 2) * crop, np.exp(rng.normal(0, FAR[1]))
        degrees = rng.uniform(*limits) * rng.choice([-1, 1])
        add(turned(image, x, y, degrees), x + shift[0], y + shift[1], side * scale, label)
    return made


def turned(image: np.ndarray, x: float, y: float, degrees: float) -> np.ndarray:
    """A picture turned about a point of it, of the same size; what comes in from outside repeats the border."""
    height, width = image.shape[:2]
    return upright(image, np.array([x + 0.5, y + 0.5]), -degrees, (0, 0, width, height))


def patch(image: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Something that covers a face: a plain colour, or another part of the picture, sharp or blurred."""
    kind = rng.integers(3)
    if kind == 0:
        return np.full((height, width, 3), rng.integers(0, 255, 3), np.uint8)
    top, left = rng.integers(0, max(image.shape[0] - height, 1)), rng.integers(0, max(image.shape[1] - width, 1))
    part = np.asarray(cv2.resize(image[top : top + height, left : left + width], (width, height)))
    if kind == 2:
        part = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(part[::-1]), (0, 0), max(1.0, height / 8)))
    return part


def write_others(sets: list[tuple[Faces, Pictures]], encoder: Embedder, file: Path) -> None:
    """Embed the other windows."""
    rng, size, share = np.random.default_rng(1), encoder.card.size, encoder.card.window[2]
    views, labels, is_train = [], [], []
    for faces, read in sets:
        for name, window, train in zip(faces.names, faces.heads.windows, faces.is_train, strict=True):
            for view, label in other_views(read(str(name)), window, window[2] / share, rng, size):
                views.append(view)
                labels.append(label)
                is_train.append(train)
    np.savez(file, embeddings=embedded(encoder, views), labels=np.array(labels), is_train=np.array(is_train))
    print(f"other windows: {len(views):,}", flush=True)


def main() -> None:
    """Embed all looks of an encoder."""
    options = arguments(__doc__, "out")
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    encoder = load(options.model)
    reads = load_for_reading(options.model)
    int8 = reads if reads.precision == "int8" else None
    side = encoder.card.window[2]
    sets = [
        (read_faces(name, options.data, options.work, side), Pictures(name, options.data, options.work))
        for name in SETS
    ]
    for faces, read in sets:
        write_looks(faces, read, encoder, int8, options.out / f"looks-{faces.name}.npz")
    write_others(sets[:2], encoder, options.out / "others.npz")


if __name__ == "__main__":
    main()
