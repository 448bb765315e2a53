"""Faces of a store as the teacher reads them and the pupil sees them.

Letters: N faces, L looks, D numbers of the pupil's embedding, K outputs of the tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.face_reader import COVERED, LANDMARKS, FaceReader
from fabnet.errors import FabnetError
from fabnet.faces.crop import crop_box, cut, upright
from fabnet.reading.canonical import Eyes
from fabnet.reading.inputs import picture
from fabnet.runtime.progress import progress
from fabnet.runtime.threads import batched, in_threads
from fabnet.store.evenly import evenly
from fabnet.store.track_store import TrackStore

__all__ = [
    "BESIDE",
    "FAR",
    "NEAR",
    "ROWS_AT_ONCE",
    "DecodedCrops",
    "Lessons",
    "People",
    "chosen_people",
    "lessons",
    "read_crops",
]

LOOKS = ("canonical", "near", "near", "far", "far", "beside")
"""Looks at a face: its canonical window, windows near it and farther, and one that does not show it."""
NEAR, FAR, BESIDE = (0, 1, 2), (0, 1, 2, 3, 4), 5
SHIFTS = {"near": (0.03, 0.04), "far": (0.12, 0.15)}
"""Standard deviations of the shift, in sides of the window, and of the logarithm of the scale."""
BESIDE_SIDES = (0.65, 1.0)
TINY_SHARE = 0.25
"""Share of the looks beside a face that show a small part of it instead."""
MAX_LOGIT = 6.0
ROWS_AT_ONCE = 16


class People(NamedTuple):
    """Faces of some people, the same number of each as far as there are as many.

    Attributes:
        rows: (N,) int64 rows of the store.
        person: (N,) names of the people.
    """

    rows: np.ndarray
    person: np.ndarray


class DecodedCrops(NamedTuple):
    """Some crops of a store.

    Attributes:
        rows: numbers of the rows.
        images: (H, W, 3) uint8 RGB each.
        boxes_px: (N, 4) where they lie in their frames; the crop itself where that is unknown.
    """

    rows: list[int]
    images: list[np.ndarray]
    boxes_px: np.ndarray


class Lessons(NamedTuple):
    """What the pupil learns from N faces.

    Attributes:
        rows: (N,) rows of the store.
        x: (N, L, D) float32 embeddings.
        boxes: (N, L, 4) float32 windows, in pixels of the crop.
        teacher_sides: (N,) sides of the teacher's windows, in pixels of the crop.
        seen: what the teacher saw.
        targets: (N, K) outputs of the teacher's tasks at the canonical window; points in pixels of the crop.
        half_widths: (N, P) the teacher's; of the points in pixels of the crop.
        covered: (N,) log-odds.
        out_of_range: (N,) the teacher's words.
    """

    rows: np.ndarray
    x: np.ndarray
    boxes: np.ndarray
    teacher_sides: np.ndarray
    seen: EncodedFaces
    targets: np.ndarray
    half_widths: np.ndarray
    covered: np.ndarray
    out_of_range: np.ndarray

    def at(self, indices: np.ndarray) -> Lessons:
        """Some of the faces."""
        chosen = {name: getattr(self, name)[indices] for name in self._fields if name != "seen"}
        return Lessons(**chosen, seen=self.seen.at(indices))

    def sides(self, look: int) -> np.ndarray:
        """(N,) sides of the windows of a look, in pixels of the crop."""
        return np.asarray(self.boxes[:, look, 2] - self.boxes[:, look, 0])


def chosen_people(store: TrackStore, splits: Sequence[str], count: int) -> People:
    """Choose faces evenly over the people of some splits, and over the time of each."""
    rows, person = [], []
    there = [split for split in splits if len(store.spans(split, min_frames=1)[0])]
    for split in there:
        starts, lengths = store.spans(split, min_frames=1)
        first = store.people(split, min_frames=1)
        before = np.concatenate([[0], np.cumsum(lengths)])
        sizes = before[first[1:]] - before[first[:-1]]
        people = evenly(len(sizes), count // len(there) or 1)
        share = _share(sizes[people], count // len(there) or 1)
        names = store.read_rows(starts[first[people]], ["identity"]).column("identity").to_pylist()
        for index, name in zip(people, names, strict=True):
            taken = min(share, int(sizes[index]))
            ranks = before[first[index]] + ((np.arange(taken) + 0.5) * sizes[index] / taken).astype(np.int64)
            track = np.searchsorted(before, ranks, side="right") - 1
            rows.append(starts[track] + ranks - before[track])
            person += [name] * taken
    order = np.concatenate([np.zeros(0, np.int64), *rows])
    return People(order, np.array(person, dtype=object))


def _share(sizes: np.ndarray, count: int) -> int:
    """The number of faces of each person with which all give `count` or fewer; at least one."""
    low, high = 1, int(sizes.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= count else (low, middle - 1)
    return low


def read_crops(store: TrackStore, rows: Sequence[int]) -> DecodedCrops:
    """Read and decode rows; those whose picture is corrupt are left out."""
    kept, images, boxes = [], [], []
    table = store.read_rows(rows, ["image", "crop_box_px"])
    for row, values in zip(rows, table.to_pylist(), strict=True):
        try:
            image = picture(values["image"], str(row))
        except FabnetError:
            continue
        kept.append(int(row))
        images.append(image)
        boxes.append(values["crop_box_px"] or (0, 0, image.shape[1], image.shape[0]))
    return DecodedCrops(kept, images, np.array(boxes, np.float32).reshape(-1, 4))


def lessons(store: TrackStore, rows: np.ndarray, teacher: Eyes, pupil: Embedder, *, num_threads: int | None) -> Lessons:
    """Read faces with the teacher, and look at each in several windows with the pupil.

    Args:
        store: the track store that holds the faces.
        rows: (N,) int64 row numbers.
        teacher: the encoder that ships, with its face reader.
        pupil: the encoder that is taught.
        num_threads: threads; None: one per core.
    """
    look = partial(_lesson, store=store, teacher=teacher, pupil=pupil)
    parts: list[Lessons] = []
    with progress("teaching", total=len(rows), unit="faces") as bar:
        for part in in_threads(look, batched(rows.tolist(), ROWS_AT_ONCE), workers=num_threads):
            parts.append(part)
            bar.advance(ROWS_AT_ONCE)
    return _together(parts)


def _together(parts: Sequence[Lessons]) -> Lessons:
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Lessons._fields if name != "seen"
    }
    return Lessons(**joined, seen=EncodedFaces.joined([part.seen for part in parts]))


def _lesson(rows: Sequence[int], *, store: TrackStore, teacher: Eyes, pupil: Embedder) -> Lessons:
    crops = read_crops(store, rows)
    seen = teacher.in_crops(crops.images, crops.boxes_px)
    images, seen = _upright(crops, seen)
    read, outputs = teacher.reader.columns(seen), teacher.reader.outputs(seen.embeddings)
    widths = np.array([image.shape[1] for image in crops.images], np.float32)
    scale = (crops.boxes_px[:, 2] - crops.boxes_px[:, 0]) / np.maximum(widths, 1)
    corner = crops.boxes_px[:, :2]
    windows = (seen.boxes_px - np.tile(corner, 2)) / scale[:, None]
    canonical = _own_windows(windows, teacher, pupil)
    boxes = np.empty((len(crops.rows), len(LOOKS), 4), np.float32)
    for index, row in enumerate(crops.rows):
        boxes[index] = _looked_at(canonical[index], row)
    size = pupil.card.size
    views = np.empty((*boxes.shape[:2], size, size, 3), np.uint8)
    for index, image in enumerate(images):
        for look in range(len(LOOKS)):
            views[index, look] = cut(image, boxes[index, look], size)
    flat = views.reshape(-1, size, size, 3)
    step = pupil.at_once(64)
    made = [pupil.embed_views(flat[first : first + step]) for first in range(0, len(flat), step)]
    x = np.concatenate(made or [np.empty((0, pupil.embedding_dim), np.float32)])
    targets, half_widths = _taught(teacher.reader, read, corner, scale)
    return Lessons(
        np.array(crops.rows, np.int64), x.reshape(*boxes.shape[:2], pupil.embedding_dim), boxes,
        windows[:, 2] - windows[:, 0], seen, targets, half_widths, outputs[:, COVERED],
        read["out_of_range"],
    )  # fmt: skip


def _upright(crops: DecodedCrops, seen: EncodedFaces) -> tuple[list[np.ndarray], EncodedFaces]:
    """The crops, each turned about its window's middle as the window is, and what was seen as if it were not."""
    images = list(crops.images)
    for place in np.flatnonzero(seen.turns_deg):
        corner, side = crops.boxes_px[place, :2], crops.boxes_px[place, 2] - crops.boxes_px[place, 0]
        middle = (seen.boxes_px[place, :2] + seen.boxes_px[place, 2:]) / 2
        centre = (middle - corner) * images[place].shape[1] / side
        region = (0, 0, *images[place].shape[1::-1])
        images[place] = upright(images[place], centre, float(seen.turns_deg[place]), region)
    return images, seen._replace(turns_deg=np.zeros_like(seen.turns_deg))


def _own_windows(windows: np.ndarray, teacher: Eyes, pupil: Embedder) -> np.ndarray:
    """(N, 4) the pupil's windows around the faces that these windows of the teacher show."""
    faces = teacher.face_boxes(windows, np.zeros(len(windows)))
    squares = np.array([crop_box(box, pupil.crop_spec) for box in faces], np.float32).reshape(-1, 4)
    return pupil.window.inside(squares)


def _looked_at(window: np.ndarray, row: int) -> np.ndarray:
    """(L, 4) the looks at the face of a row, whose canonical window is (4,)."""
    rng = np.random.default_rng([0, row])
    side, middle = window[2] - window[0], (window[:2] + window[2:]) / 2
    made = []
    for kind in LOOKS:
        shift, scale = np.zeros(2), 1.0
        if kind in SHIFTS:
            shift, scale = rng.normal(0, SHIFTS[kind][0], 2), np.exp(rng.normal(0, SHIFTS[kind][1]))
        elif kind == "beside":
            angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(*BESIDE_SIDES)
            shift, scale = distance * np.array([np.cos(angle), np.sin(angle)]), np.exp(rng.normal(0, 0.2))
            if rng.random() < TINY_SHARE:
                shift, scale = rng.uniform(-0.3, 0.3, 2), rng.uniform(0.2, 0.35)
        half, centre = side * scale / 2, middle + shift * side
        made.append([*(centre - half), *(centre + half)])
    return np.array(made)


def _taught(
    reader: FaceReader, read: dict[str, np.ndarray], corner: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) targets and (N, P) half-widths of a teacher's columns."""
    targets, half_widths = [], []
    for task in reader.tasks:
        if task.name == LANDMARKS:
            points = read[f"{LANDMARKS}_px"].reshape(len(scale), -1, 2)
            targets.append(((points - corner[:, None]) / scale[:, None, None]).reshape(len(scale), -1))
            half_widths.append((read[f"{LANDMARKS}_pm_px"] / scale)[:, None])
            continue
        values = np.stack([read[name] for name in task.columns], axis=1).astype(np.float64)
        if task.kind == "values":
            half_widths.append(np.stack([read[f"{name}_pm"] for name in task.columns], axis=1))
        elif task.kind == "classes":
            values = np.log(np.maximum(values, np.exp(-2 * MAX_LOGIT)))
            values -= values.mean(axis=1, keepdims=True)
        else:
            least = 1 / (1 + np.exp(MAX_LOGIT))
            values = np.clip(values, least, 1 - least)
            values = np.log(values / (1 - values))
        targets.append(values)
    return np.concatenate(targets, axis=1), np.concatenate(half_widths, axis=1)
