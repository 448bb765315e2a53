"""What a face detector gives, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["MIN_FACE_PX", "MIN_FACE_SHARE", "Detection", "Detector", "smallest_face_px"]

MIN_FACE_PX = 20.0
MIN_FACE_SHARE = 1 / 16


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face in one image.

    Convention: pixels of the image given to the detector, pixel centres at integers + 0.5, so that a box over the whole
    image is (0, 0, W, H).
    """

    box_px: np.ndarray
    """(4,) float32: x0, y0, x1, y1."""
    landmarks5_px: np.ndarray
    """(5, 2) float32, x and y: the eye on the image's left, the other eye, nose, left and right mouth corner."""
    score: float
    """Confidence, 0 to 1."""


class Detector(Protocol):
    """Finds faces in one image."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""


def smallest_face_px(height: int, width: int, min_face_px: float | None) -> float:
    """Side of the smallest face looked for in an image: `min_face_px`, or the default share of its longer side."""
    if min_face_px is not None:
        return float(min_face_px)
    return max(MIN_FACE_PX, MIN_FACE_SHARE * max(height, width))
