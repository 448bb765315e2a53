"""The detectors of the optional package `uniface`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fabnet.errors import MissingDependencyError
from fabnet.faces.detect.detection import Detection, SmallestFace
from fabnet.faces.detect.pyramid import shrunk
from fabnet.faces.detect.tiles import in_tiles

__all__ = ["Uniface"]

SEARCHED_FACE_PX = 40.0
TILE_PX, OVERLAP_PX = 640, 160
"""Side of a tile and overlap: the network scales every input to 640 px, so larger images are split into tiles."""


class Uniface:
    """uniface's RetinaFace detector; the package downloads its weights on first use.

    Args:
        smallest: size of the smallest face looked for; smaller ones are dropped.

    Raises:
        MissingDependencyError: the package is not installed.
    """

    def __init__(self, *, smallest: SmallestFace | None = None) -> None:
        importlib.import_module("fabnet.runtime.onnx_runtime")  # before uniface imports it
        try:
            from uniface import RetinaFace
        except ImportError as error:
            raise MissingDependencyError(
                "the detector uniface needs the package uniface: pip install 'fabnet[uniface]'"
            ) from error
        self._smallest = smallest or SmallestFace()
        self._network: Any = RetinaFace()

    def __reduce__(self) -> tuple[Callable[[], Uniface], tuple[()]]:
        return partial(Uniface, smallest=self._smallest), ()

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""
        smallest = self.smallest_px(*image.shape[:2])
        small, to_image = shrunk(image, max(1.0, smallest / SEARCHED_FACE_PX))
        found = in_tiles(self._find, small, tile_px=TILE_PX, overlap_px=OVERLAP_PX)
        faces = [face.scaled(to_image) for face in found]
        large = [face for face in faces if min(face.box_px[2:] - face.box_px[:2]) >= 0.8 * smallest]
        return sorted(large, key=lambda face: -face.score)

    def smallest_px(self, height: int, width: int) -> float:
        """See `NamedDetector.smallest_px`."""
        return self._smallest.of(height, width)

    def _find(self, image: np.ndarray) -> list[Detection]:
        return [_detection(face) for face in self._network.detect(np.ascontiguousarray(image[:, :, ::-1]))]


def _detection(face: Any) -> Detection:
    """Convert uniface's face, which is a mapping in early versions and an object with the same names in later ones."""
    values = face if isinstance(face, dict) else vars(face)
    box = np.asarray(values["bbox"], np.float32)[:4]
    points = np.asarray(values["landmarks"], np.float32).reshape(5, 2)
    return Detection(box, points, float(values["confidence"]))
