"""Face detection behind one interface: an image in, boxes with five points and a score out."""

from __future__ import annotations

from pathlib import Path

from fabnet.errors import InputError
from fabnet.video.detect.detection import Detection, Detector, follow

__all__ = ["DETECTORS", "Detection", "Detector", "follow", "load_detector"]

DETECTORS = ("mtcnn", "yunet:FILE.onnx", "uniface")


def load_detector(name: str = "mtcnn", *, min_face_px: float | None = None) -> Detector:
    """Make a face detector.

    Args:
        name: "mtcnn" (default; works from the install alone), "yunet:FILE.onnx" (OpenCV's FaceDetectorYN with a
            model file of yours), or "uniface" (the optional package; it fetches its weights on first use).
        min_face_px: side of the smallest face looked for, in pixels of the images given; larger is faster. None: one
            sixteenth of an image's longer side, at least 20 (a smaller face makes a crop too blurred to learn from).

    Returns:
        A detector: `detector(image)` with an (H, W, 3) uint8 RGB image gives `Detection`s, best first. Use one object
        per thread.

    Raises:
        InputError: an unknown name, a `min_face_px` that is not positive, or a model file that is missing or unusable.
        MissingDependencyError: the backend's package is not installed.
    """
    if min_face_px is not None and not min_face_px > 0:
        raise InputError(f"min_face_px is {min_face_px}: give a positive number of pixels")
    kind, _, argument = name.partition(":")
    if kind == "mtcnn" and not argument:
        from fabnet.video.detect.mtcnn import Mtcnn

        return Mtcnn(min_face_px=min_face_px)
    if kind == "yunet" and argument:
        from fabnet.video.detect.yunet import Yunet

        return Yunet(Path(argument), min_face_px=min_face_px)
    if kind == "uniface" and not argument:
        from fabnet.video.detect.uniface import Uniface

        return Uniface(min_face_px=min_face_px)
    raise InputError(f"unknown detector {name!r}: choose one of {', '.join(DETECTORS)}")
