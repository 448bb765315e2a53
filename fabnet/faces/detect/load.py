"""Face detectors by name."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from fabnet.errors import InputError
from fabnet.faces.detect.detection import MIN_FACE_SHARE, NamedDetector, SmallestFace
from fabnet.runtime.terminal import say

__all__ = ["DEFAULT_DETECTOR", "DETECTORS", "load_detector"]

LEAST_FACE_PX = 8
"""Lower bound on `min_face_px`: smaller faces show nothing, and finding them needs ever larger enlargements."""
DETECTORS = ("yunet", "mtcnn", "yunet:FILE.onnx", "uniface")
DEFAULT_DETECTOR = "yunet"
"""The detector of every command; docs/detectors.md compares it with the others."""


def load_detector(
    name: str = DEFAULT_DETECTOR,
    *,
    min_face_px: float | None = None,
    min_face_share: float = MIN_FACE_SHARE,
    device: str = "cpu",
) -> NamedDetector:
    """Make a face detector.

    Args:
        name: "yunet" (default) or "mtcnn", which need no further files; "yunet:FILE.onnx" (OpenCV's FaceDetectorYN with
            your own model file); or "uniface" (an optional package, which downloads its weights on first use).
        min_face_px: side of the smallest face looked for, in pixels of each image; larger is faster. None:
            `min_face_share` of an image's longer side (less in a very long one), at least 20, because the crop of a
            smaller face is too blurred to learn from.
        min_face_share: see `min_face_px`.
        device: "auto", which is the CPU, "cpu", "cuda" or "cuda:N", for yunet and mtcnn. Without onnxruntime-gpu they
            run on the CPU all the same, and a line says so; the others choose for themselves.

    Returns:
        A detector: `detector(image)` takes (H, W, 3) uint8 RGB and returns `Detection`s, best first. Use one object per
        thread.

    Raises:
        InputError: the name is unknown, `min_face_px` is below 8, or the model file is missing or unusable.
        MissingDependencyError: the backend's package is not installed.
    """
    if min_face_px is not None and not LEAST_FACE_PX <= min_face_px < math.inf:
        raise InputError(f"min_face_px is {min_face_px}: give a number of pixels, {LEAST_FACE_PX} or more")
    smallest = SmallestFace(min_face_px, min_face_share)
    kind, _, argument = name.partition(":")
    device = _usable(device) if kind in ("mtcnn", "yunet") and not argument else "cpu"
    if kind == "mtcnn" and not argument:
        from fabnet.faces.detect.mtcnn import Mtcnn

        return Mtcnn(smallest=smallest, device=device)
    if kind == "yunet" and not argument:
        from fabnet.faces.detect.yunet import Yunet

        return Yunet(smallest=smallest, device=device)
    if kind == "yunet":
        from fabnet.faces.detect.opencv import OpencvYunet

        return OpencvYunet(Path(argument), smallest=smallest)
    if kind == "uniface" and not argument:
        from fabnet.faces.detect.uniface import Uniface

        return Uniface(smallest=smallest)
    raise InputError(f"unknown detector {name!r}: choose one of {', '.join(DETECTORS)}")


@cache  # the line is said once
def _usable(device: str) -> str:
    """The device that detectors run on where this one is asked for: the CPU if ONNX Runtime has no CUDA."""
    from fabnet.runtime.onnx_runtime import HOW_TO_CUDA, has_cuda

    if device in ("auto", "cpu") or has_cuda():
        return device
    say(f"faces are found on the CPU, because this ONNX Runtime has no CUDA ({HOW_TO_CUDA})", to_stderr=True)
    return "cpu"
