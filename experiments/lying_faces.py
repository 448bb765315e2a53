"""How often faces on their side or upside down are found, how often a box is given where no face is, and for what time.

Pictures of people of val, and of MTFL's train part, are turned by known angles. Others have no face: the head is
painted over, or blocks of 16 px are shuffled.

Run: python experiments/lying_faces.py --data DATA --out lying_faces.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from tables import read_table

from fabnet.faces.detect.detection import Detector
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.probes.faces import read_image

COUNT, NO_FACE_COUNT, SEED = 60, 300, 0
ANGLES_DEG = (0, 45, 90, 135, 180)
BLOCK_PX = 16
PHOTOS_PX = ((1920, 1080), (4000, 3000))
TIMES = 2


class Picture(NamedTuple):
    """A picture of one face: (H, W, 3) uint8 RGB, the middle of its points, and their extent in pixels."""

    image: np.ndarray
    middle: np.ndarray
    extent: float


def youtube_faces(data: Path, splits: tuple[str, ...], count: int, rng: np.random.Generator) -> list[Picture]:
    """Frames of people of these splits, drawn at random."""
    folder = data / "youtube_faces"
    split_of = {row["person"]: row["split"] for row in read_table(folder / "people.csv")}
    labels = read_table(folder / "landmarks68.csv")
    rows = [list(row.values()) for row in labels if split_of[row["frame"].split("/")[0]] in splits]
    made = []
    for index in rng.choice(len(rows), count, replace=False):
        points = np.array(rows[index][1:137], float).reshape(68, 2)
        made.append(
            Picture(read_image(folder / "frames" / rows[index][0]), points.mean(0), float(np.ptp(points, 0).max()))
        )
    return made


def mtfl(data: Path, count: int, rng: np.random.Generator) -> list[Picture]:
    """Stills of MTFL's train part, drawn at random; five points span half of what 68 do."""
    rows = [row for row in read_table(data / "mtfl" / "labels.csv") if row["split"] == "train"]
    made = []
    for index in rng.choice(len(rows), count, replace=False):
        points = np.array([[rows[index][f"{axis}{number}"] for axis in "xy"] for number in range(1, 6)], float)
        image = read_image(data / "mtfl" / "images" / rows[index]["path"])
        made.append(Picture(image, points.mean(0), 2 * float(np.ptp(points, 0).max())))
    return made


def turned(picture: Picture, degrees: float) -> Picture:
    """A picture turned anticlockwise on a canvas that holds all of it."""
    height, width = picture.image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = (round(height * sin + width * cos), round(height * cos + width * sin))
    turn[:, 2] += (np.array(size) - (width, height)) / 2
    image = cv2.warpAffine(picture.image, turn, size, borderMode=cv2.BORDER_REPLICATE)
    return Picture(np.asarray(image), turn[:, :2] @ picture.middle + turn[:, 2], picture.extent)


def painted(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """The picture with its head painted over in the picture's median colour."""
    image, (x, y), side = picture.image.copy(), picture.middle, picture.extent
    first, last = (int(x - 0.95 * side), int(y - 1.25 * side)), (int(x + 0.95 * side), int(y + 0.9 * side))
    cv2.rectangle(image, first, last, np.median(image.reshape(-1, 3), axis=0).tolist(), -1)
    return image


def shuffled(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """The picture's blocks in random order."""
    rows, columns = (side // BLOCK_PX for side in picture.image.shape[:2])
    image = picture.image[: rows * BLOCK_PX, : columns * BLOCK_PX]
    blocks = image.reshape(rows, BLOCK_PX, columns, BLOCK_PX, 3).swapaxes(1, 2).reshape(-1, BLOCK_PX, BLOCK_PX, 3)
    mixed = blocks[rng.permutation(len(blocks))].reshape(rows, columns, BLOCK_PX, BLOCK_PX, 3)
    return np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(image.shape))


def share_found(find: Detector, pictures: list[Picture]) -> float:
    """Share of the pictures with a box that holds the middle of the face."""
    hits = [any(inside(face.box_px, each.middle) for face in find(each.image)) for each in pictures]
    return round(float(np.mean(hits)), 4)


def inside(box_px: np.ndarray, point: np.ndarray) -> bool:
    """Whether a box holds a point."""
    return bool((box_px[:2] <= point).all() and (box_px[2:] >= point).all())


def processor_s(find: Detector, image: np.ndarray) -> float:
    """Median processor time of a search, in seconds."""
    times = []
    for _ in range(TIMES):
        begin = time.process_time()
        find(image)
        times.append(time.process_time() - begin)
    return round(float(np.median(times)), 4)


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for place in ("data", "out"):
        parser.add_argument(f"--{place}", type=Path, required=True)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    finders = {
        "as it stands": load_photo_detector(any_way_up=False),
        "turned if in doubt": load_photo_detector(),
    }
    rng = np.random.default_rng(SEED)
    sets = {"youtube_faces": youtube_faces(options.data, ("val",), COUNT, rng), "mtfl": mtfl(options.data, COUNT, rng)}
    figures: dict[str, Any] = {"found": {}, "with a box, no face": {}, "processor time, s": {}}
    for name, pictures in sets.items():
        for angle in ANGLES_DEG:
            given = [
                turned(each, angle * side) for each, side in zip(pictures, rng.choice([-1, 1], COUNT), strict=True)
            ]
            shares = {kind: share_found(find, given) for kind, find in finders.items()}
            figures["found"][f"{name}, {angle} degrees"] = shares
            print(name, angle, shares, flush=True)
    rest = youtube_faces(options.data, ("train", "val"), NO_FACE_COUNT, rng)
    without: dict[str, Callable[[Picture, np.random.Generator], np.ndarray]] = {
        "painted": painted,
        "shuffled": shuffled,
    }
    for name, make in without.items():
        images = [make(each, rng) for each in rest]
        counts = {kind: sum(bool(find(image)) for image in images) for kind, find in finders.items()}
        figures["with a box, no face"][name] = counts | {"pictures": NO_FACE_COUNT}
        print(name, counts, flush=True)
    for width, height in PHOTOS_PX:
        image = cv2.resize(shuffled(rest[0], rng), (width, height), interpolation=cv2.INTER_CUBIC)
        times = {
            f"{kind}, {faces}": processor_s(
                load_photo_detector(any_way_up=kind != "as it stands", only_largest=faces == "largest"), image
            )
            for kind in finders
            for faces in ("largest", "all")
        }
        figures["processor time, s"][f"{width} x {height}"] = times
        print(width, height, times, flush=True)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
