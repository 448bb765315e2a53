"""Finds the faces of a benchmark: one crop per face, the same for every encoder.

A detector finds them. A face that is not found is never dropped: its labelled box stands in for the detector's, or the
face is scored on the whole image if there is none. If a protocol has a published crop, it replaces the detector's.
Boxes are cached, because detection is slow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fabnet.errors import InputError
from fabnet.faces.boxes import intersection_over_union
from fabnet.faces.crop import CropSpec, crop_box, cut
from fabnet.faces.detect.detection import Detection
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.faces.find import chosen_face, loaded_detector
from fabnet.faces.picture import decode_picture
from fabnet.faces.window import Window
from fabnet.files.limits import read_bytes
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.runtime.local import run_tasks
from fabnet.runtime.progress import progress

__all__ = ["FaceCrops", "crop_of", "find_faces", "fingerprint", "read_image", "whole"]

IMAGES_A_TASK = 64
MIN_OVERLAP = 0.1
"""Minimum overlap (intersection over union) of a detection with the labelled face; below it, it is another face."""


class FaceCrops(NamedTuple):
    """The crop of each face.

    Attributes:
        boxes_px: (N, 4) float64 x0, y0, x1, y1: the loose crop around a detected or labelled face; else the part of the
            image that the network sees (published, or the whole image).
        is_loose: (N,) bool, whether the box is a loose crop.
        num_not_found: number of faces that the detector did not find.
        num_on_label: the ones of these that are cut around a labelled box, not shown as the whole image.
    """

    boxes_px: np.ndarray
    is_loose: np.ndarray
    num_not_found: int = 0
    num_on_label: int = 0

    def seen_px(self, window: Window) -> np.ndarray:
        """The part of each image that a network with this window sees.

        Returns:
            (N, 4) float64 x0, y0, x1, y1 in pixels of the image.
        """
        return np.where(self.is_loose[:, None], window.inside(self.boxes_px), self.boxes_px)

    def crop_px(self, window: Window) -> np.ndarray:
        """(N, 4) float64 boxes to cut for a network with this window, so that it sees `seen_px`."""
        sides = (self.boxes_px[:, 2:] - self.boxes_px[:, :2]) / window.side
        first = self.boxes_px[:, :2] - sides * (np.array(window[:2]) - window.side / 2)
        return np.where(self.is_loose[:, None], self.boxes_px, np.concatenate([first, first + sides], axis=1))


def read_image(image: Path | np.ndarray) -> np.ndarray:
    """Read an image.

    Args:
        image: a file, or (H, W, 3) uint8 RGB, which is returned unchanged.

    Returns:
        (H, W, 3) uint8 RGB; grey images are repeated to three channels.

    Raises:
        InputError: the file is missing or not an image, or has too many pixels.
    """
    if isinstance(image, np.ndarray):
        return image
    try:
        data = read_bytes(image)
    except OSError as error:
        raise InputError(f"{image} cannot be read: {error.strerror}; the labels list it") from None
    try:
        return decode_picture(data)
    except InputError as error:
        raise InputError(f"{image} ({len(data)} bytes) cannot be decoded as an image: {error}") from None


def crop_of(image: np.ndarray, box_px: np.ndarray, size: int) -> np.ndarray:
    """Cut a box, which need not be square, out of an image: (size, size, 3) uint8."""
    width, height = box_px[2:] - box_px[:2]
    if abs(width - height) > 1e-6 * height:
        # A published crop may not be square: the image is squeezed first, as its publishers do.
        image = cv2.resize(image, (image.shape[1], max(1, round(image.shape[0] * width / height))),
                           interpolation=cv2.INTER_AREA if width < height else cv2.INTER_LINEAR)  # fmt: skip
        box_px = box_px * (1, width / height, 1, width / height)
    return cut(image, box_px, size)


@dataclass(frozen=True, slots=True)
class _Task:
    first: int
    images: Sequence[Path | np.ndarray]
    faces_px: np.ndarray | None
    detector: str
    min_face: float | None


def _detect(task: _Task, report: Callable[[float], None]) -> np.ndarray:
    """(n, 4) boxes of the labelled faces, NaN if not found."""
    find = loaded_detector(task.detector, task.min_face)
    boxes = np.full((len(task.images), 4), np.nan)
    for place, image in enumerate(task.images):
        pixels = read_image(image)
        faces = find(pixels)
        if task.faces_px is not None:
            face = _nearest(faces, task.faces_px[place])
        else:
            face = chosen_face(faces, pixels.shape[1], pixels.shape[0])
        if face is not None:
            boxes[place] = face.box_px
        report(1)
    return boxes


def _nearest(faces: Sequence[Detection], labelled_px: np.ndarray) -> Detection | None:
    """The detection that overlaps most with the labelled face."""

    def overlap(face: Detection) -> float:
        return intersection_over_union(face.box_px, labelled_px)

    best = max(faces, key=overlap, default=None)
    return best if best is not None and overlap(best) >= MIN_OVERLAP else None


def find_faces(
    benchmark: Benchmark,
    *,
    detector: str = DEFAULT_DETECTOR,
    min_face: float | None = None,
    cache: Cache,
    num_workers: int | None = None,
    spec: CropSpec | None = None,
) -> FaceCrops:
    """Find the faces of a benchmark, by detector or published crop.

    Args:
        benchmark: the faces.
        detector: name of the face detector.
        min_face: side of the smallest face to find, in pixels; None: 1/16 of an image's longer side, at least 20.
        cache: cache for the boxes.
        num_workers: worker processes that detect; None: one per core.
        spec: how faces are cut out, the crop of the model's training; None: the default crop.

    Raises:
        InputError: an image is missing or corrupt.
    """
    if benchmark.seen_px is not None:
        return FaceCrops(benchmark.seen_px.astype(np.float64), np.zeros(len(benchmark.names), dtype=bool))
    key = [benchmark.name, detector, *benchmark.names, fingerprint(benchmark, cache)]
    if min_face is not None:
        key.append(f"min_face {min_face}")
    if benchmark.face_px is not None:
        key.append(hashlib.sha256(benchmark.face_px.tobytes()).hexdigest())
    boxes = cache.array("boxes", key, lambda: _detected(benchmark, detector, min_face, num_workers))
    spec, is_found = spec or CropSpec(), np.isfinite(boxes[:, 0])
    boxes, crops = boxes.copy(), np.empty_like(boxes)
    for place, image in enumerate(benchmark.images):
        if not is_found[place]:
            crops[place] = whole(image)
            if benchmark.face_px is not None and _overlaps(benchmark.face_px[place], crops[place]):
                boxes[place] = benchmark.face_px[place]
        if np.isfinite(boxes[place, 0]):
            crops[place] = crop_box(boxes[place], spec)
    is_loose = np.isfinite(boxes[:, 0])
    return FaceCrops(crops, is_loose, int((~is_found).sum()), int((is_loose & ~is_found).sum()))


def _overlaps(box_px: np.ndarray, whole_px: np.ndarray) -> bool:
    """Whether a labelled box is a box, and a part of it lies in the image."""
    sides = np.minimum(box_px[2:], whole_px[2:]) - np.maximum(box_px[:2], whole_px[:2])
    return bool(np.isfinite(box_px).all() and (sides > 1).all())


def whole(image: Path | np.ndarray) -> np.ndarray:
    """The smallest square around a whole image: (4,) float64."""
    height, width = read_image(image).shape[:2]
    half = max(height, width) / 2
    return np.array([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half])


def fingerprint(benchmark: Benchmark, cache: Cache) -> str:
    """A hash of the bytes of a benchmark's images, for caches.

    Args:
        benchmark: the benchmark.
        cache: cache of the files' digests.
    """
    digest = hashlib.sha256()
    of_files = cache.digests.of([image for image in benchmark.images if isinstance(image, Path)])
    with progress("comparing", total=len(benchmark.images), unit="images") as bar:
        for image in benchmark.images:
            in_memory = hashlib.sha256(image.tobytes()).digest() if isinstance(image, np.ndarray) else None
            digest.update(in_memory or next(of_files))
            bar.advance()
    return digest.hexdigest()


def _detected(benchmark: Benchmark, detector: str, min_face: float | None, num_workers: int | None) -> np.ndarray:
    count = len(benchmark.names)
    tasks = [
        _Task(
            first, benchmark.images[first : first + IMAGES_A_TASK],
            None if benchmark.face_px is None else benchmark.face_px[first : first + IMAGES_A_TASK], detector, min_face,
        )
        for first in range(0, count, IMAGES_A_TASK)
    ]  # fmt: skip
    boxes = np.full((count, 4), np.nan)
    with progress("finding faces", total=count, unit="images") as bar:
        for outcome in run_tasks(_detect, tasks, num_workers=num_workers, on_progress=bar.advance):
            if outcome.error is not None:
                raise outcome.error
            boxes[outcome.task.first : outcome.task.first + len(outcome.result)] = outcome.result
    return boxes
