"""Face detectors by name."""

from __future__ import annotations

import math
from pathlib import Path

from fabnet.errors import InputError
from fabnet.faces.detect.detection import MIN_FACE_SHARE, NamedDetector, SmallestFace

__all__ = ["DETECTORS", "load_detector"]

LEAST_FACE_PX = 8
"""Smaller faces show nothing, and pictures would be enlarged without end to look for them."""
DETECTORS = ("mtcnn", "yunet:FILE.onnx", "uniface")


def load_detector(
    name: str = "mtcnn", *, min_face_px: float | None = None, min_face_share: float = MIN_FACE_SHARE
) -> NamedDetector:
    """Make a face detector.

    Args:
        name: "mtcnn" (default; works from the install alone), "yunet:FILE.onnx" (OpenCV's FaceDetectorYN with a
            model file of yours), or "uniface" (the optional package; it fetches its weights on first use).
        min_face_px: side of the smallest face looked for, in pixels of the images given, whatever their size; larger
            is faster. None: `min_face_share` of an image's longer side (less of a very long one), at least 20: a
            smaller face makes a crop too blurred to learn from.
        min_face_share: see `min_face_px`.

    Returns:
        A detector: `detector(image)` with an (H, W, 3) uint8 RGB image gives `Detection`s, best first. Use one object
        per thread.

    Raises:
        InputError: an unknown name, a `min_face_px` below 8, or a model file that is missing or unusable.
        MissingDependencyError: the backend's package is not installed.
    """
    if min_face_px is not None and not LEAST_FACE_PX <= min_face_px < math.inf:
        raise InputError(f"min_face_px is {min_face_px}: give a number of pixels, {LEAST_FACE_PX} or more")
    smallest = SmallestFace(min_face_px, min_face_share)
    kind, _, argument = name.partition(":")
    if kind == "mtcnn" and not argument:
        from fabnet.faces.detect.mtcnn import Mtcnn

        return Mtcnn(smallest=smallest)
    if kind == "yunet" and argument:
        from fabnet.faces.detect.yunet import Yunet

        return Yunet(Path(argument), smallest=smallest)
    if kind == "uniface" and not argument:
        from fabnet.faces.detect.uniface import Uniface

        return Uniface(smallest=smallest)
    raise InputError(f"unknown detector {name!r}: choose one of {', '.join(DETECTORS)}")
