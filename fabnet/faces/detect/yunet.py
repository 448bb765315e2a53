"""YuNet, with the weights that ship inside fabnet, on ONNX Runtime.

Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023. The network
file is made by `experiments/pack_yunet.py`; `fabnet/weights/yunet/LICENSE` is its licence.

Shapes: C cells of the three grids over the image searched, strides 8, 16 and 32 px, each grid row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import fabnet.weights
from fabnet.faces.detect.detection import Detection, SmallestFace
from fabnet.faces.detect.pyramid import shrunk
from fabnet.faces.detect.tiles import in_tiles, merged
from fabnet.runtime.onnx_runtime import detector_options, open_network

__all__ = ["Yunet"]

STRIDES_PX = (8, 16, 32)
SEARCHED_FACE_PX = 24.0
TILE_PX, OVERLAP_PX = 1280, 320
"""The network finds faces of 10 to 300 px; larger ones are found in the image at half its size."""
MIN_CELL_SCORE = 0.5
"""Cells with a lower score have no say in where a face is."""
SCORES = ((0.0, 0.6, 0.8, 1.0), (0.0, 0.7, 0.9, 1.0))
"""The network's scores, and what is given for them: it is sure of a face at a lower score than MTCNN is."""
MIN_SCORE = 0.7
"""Faces with a lower score, of those given, are left out."""
FOLLOWED_SIDES = 2.0
"""Side of the square in which a face is looked for where it was, over its box's longer side."""
TO_MTCNN_Y, TO_MTCNN_WIDTH, TO_MTCNN_HEIGHT = -0.0125, 0.992, 1.0015
"""From a box to the one that MTCNN gives, on which the encoders were trained: of the centre, in the geometric mean of
the sides, and factors of the sides. Fitted on training people, see docs/detectors.md."""


class Yunet:
    """The YuNet face detector.

    A face that is followed is looked for in a part of the picture that a search sees, on the same grid, so that it gets
    the box that a search gives it.

    Args:
        smallest: size of the smallest face looked for.
        device: "cpu", "cuda" or "cuda:N".
    """

    def __init__(self, *, smallest: SmallestFace | None = None, device: str = "cpu") -> None:
        self._smallest, self._device = smallest or SmallestFace(), device
        path = Path(fabnet.weights.__file__).parent / "yunet" / "yunet.onnx"
        self._network = open_network(str(path), detector_options(), device)

    def __reduce__(self) -> tuple[Callable[[], Yunet], tuple[()]]:
        return partial(Yunet, smallest=self._smallest, device=self._device), ()

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first; boxes may reach over its border."""
        return [_as_mtcnn(face) for face in self.search(image)]

    def smallest_px(self, height: int, width: int) -> float:
        """See `NamedDetector.smallest_px`."""
        return self._smallest.of(height, width)

    def follow(self, image: np.ndarray, face: Detection) -> Detection | None:
        """See `Follower.follow`; searches only the part of the image around the face's former box."""
        small, to_image = self._shrunk(image)
        middle, side = _centre_and_side(face.box_px)
        reach = FOLLOWED_SIDES / 2 * side
        step = STRIDES_PX[-1]
        first = np.maximum((middle - reach) / to_image // step * step, 0).astype(int)
        last = np.ceil((middle + reach) / to_image / step).astype(int) * step
        part = small[first[1] : last[1], first[0] : last[0]]
        if part.size == 0:
            return None
        found = [each.moved(*first.tolist()).scaled(to_image) for each in self._find(part)]
        near = [each for each in found if _is_near(each.box_px, middle, side)]
        best = max(near, key=lambda each: each.score, default=None)
        return _as_mtcnn(best) if best is not None else None

    def search(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, with the network's own boxes instead of boxes as MTCNN's."""
        small, to_image = self._shrunk(image)
        found = in_tiles(self._find, small, tile_px=TILE_PX, overlap_px=OVERLAP_PX)
        return [face.scaled(to_image) for face in found]

    def _shrunk(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The image in which faces are searched, and (2,) its pixels' sides in pixels of the image."""
        return shrunk(image, self.smallest_px(*image.shape[:2]) / SEARCHED_FACE_PX)

    def _find(self, image: np.ndarray) -> list[Detection]:
        """The faces of an image that the network sees whole, best first."""
        return [face for face in merged(self._cells(image)) if face.score >= MIN_SCORE]

    def _cells(self, image: np.ndarray) -> list[Detection]:
        """What every cell that sees a face says of it."""
        height, width = image.shape[:2]
        step = STRIDES_PX[-1]
        padded = np.zeros((-(-height // step) * step, -(-width // step) * step, 3), np.uint8)
        padded[:height, :width] = image[:, :, ::-1]
        score, box, points = self._network.run(None, {"image": padded[None]})
        (cells,) = np.nonzero(score[:, 0] >= MIN_CELL_SCORE)
        corner, stride = _cell_corners(padded.shape[0], padded.shape[1], cells)
        centre = (corner + box[cells, :2]) * stride
        half = np.exp(np.minimum(box[cells, 2:], 10.0)) * stride / 2
        five = (corner[:, None] + points[cells].reshape(-1, 5, 2)) * stride[:, None]
        boxes = np.concatenate([centre - half, centre + half], 1)
        scores = np.interp(score[cells, 0], *SCORES).tolist()
        return [Detection(*each) for each in zip(boxes, five, scores, strict=True)]


def _as_mtcnn(face: Detection) -> Detection:
    """The face with the box that MTCNN would give it."""
    centre, sides = (face.box_px[:2] + face.box_px[2:]) / 2, face.box_px[2:] - face.box_px[:2]
    centre = centre + np.array([0, TO_MTCNN_Y], np.float32) * float(np.sqrt(sides.prod()))
    half = sides * np.array([TO_MTCNN_WIDTH, TO_MTCNN_HEIGHT], np.float32) / 2
    return Detection(np.concatenate([centre - half, centre + half]), face.landmarks5_px, face.score)


def _is_near(box_px: np.ndarray, middle: np.ndarray, side: float) -> bool:
    """Whether a face may be the one that was here: moved by less than half a side, at most twice as large."""
    now, long = _centre_and_side(box_px)
    return bool(np.abs(now - middle).max() < side / 2 and side / 2 < long < 2 * side)


def _centre_and_side(box_px: np.ndarray) -> tuple[np.ndarray, float]:
    """A box's centre and its longer side."""
    return (box_px[:2] + box_px[2:]) / 2, float((box_px[2:] - box_px[:2]).max())


def _cell_corners(height: int, width: int, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (N, 2) of cells, and their strides (N, 1), as float32."""
    columns = np.array([width // stride for stride in STRIDES_PX])
    counts = columns * np.array([height // stride for stride in STRIDES_PX])
    ends = np.cumsum(counts)
    grid = np.searchsorted(ends, cells, side="right")
    inside = cells - (ends - counts)[grid]
    corner = np.stack([inside % columns[grid], inside // columns[grid]], 1)
    return corner.astype(np.float32), np.array(STRIDES_PX, np.float32)[grid][:, None]
