"""The detectors of the optional package `uniface`."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from fabnet.errors import MissingDependencyError
from fabnet.video.detect.detection import Detection, smallest_face_px

__all__ = ["Uniface"]


class Uniface:
    """uniface's RetinaFace detector; the package fetches its weights on first use.

    Args:
        min_face_px: faces smaller than this are dropped, in pixels of the images given; None: see `load_detector`.

    Raises:
        MissingDependencyError: the package is not installed.
    """

    def __init__(self, *, min_face_px: float | None = None) -> None:
        importlib.import_module("fabnet.onnx_runtime")  # before uniface imports it
        try:
            from uniface import RetinaFace
        except ImportError as error:
            raise MissingDependencyError(
                "the detector uniface needs the package uniface: pip install 'fabnet[uniface]'"
            ) from error
        self._min_face_px = min_face_px
        self._network: Any = RetinaFace()

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""
        smallest = smallest_face_px(image.shape[0], image.shape[1], self._min_face_px)
        faces = [_detection(face) for face in self._network.detect(np.ascontiguousarray(image[:, :, ::-1]))]
        large = [face for face in faces if min(face.box_px[2:] - face.box_px[:2]) >= 0.8 * smallest]
        return sorted(large, key=lambda face: -face.score)


def _detection(face: Any) -> Detection:
    """uniface's face: a mapping in its early versions, an object with the same names later."""
    values = face if isinstance(face, dict) else vars(face)
    box = np.asarray(values["bbox"], np.float32)[:4]
    points = np.asarray(values["landmarks"], np.float32).reshape(5, 2)
    return Detection(box, points, float(values["confidence"]))
