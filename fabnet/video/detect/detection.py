"""What a face detector gives, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fabnet.video.crop import window_of

__all__ = ["MIN_FACE_PX", "MIN_FACE_SHARE", "Detection", "Detector", "Follower", "follow", "smallest_face_px"]

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

    def moved(self, x: float, y: float) -> Detection:
        """The face in an image that has `x` more pixels on the left and `y` more at the top."""
        by = np.array([x, y], np.float32)
        return Detection(self.box_px + np.tile(by, 2), self.landmarks5_px + by, self.score)


class Detector(Protocol):
    """Finds faces in one image."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""


@runtime_checkable
class Follower(Detector, Protocol):
    """A detector that has a cheaper way to find a face again than to search the image."""

    def follow(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Find a face again that has moved by less than half of its side, and grown or shrunk as little.

        Args:
            image: (H, W, 3) uint8 RGB, of the size of the one that the face was found in.
            face: the face as it was.

        Returns:
            The face as it is; None if there is none.
        """


def follow(detector: Detector, image: np.ndarray, face: Detection) -> Detection | None:
    """As `Follower.follow`; a detector that is none searches twice the face's box."""
    if isinstance(detector, Follower):
        return detector.follow(image, face)
    middle, reach = (face.box_px[:2] + face.box_px[2:]) / 2, (face.box_px[2:] - face.box_px[:2]).max()
    left, top, window = window_of(image, np.concatenate([middle - reach, middle + reach]))
    return max((found.moved(left, top) for found in detector(window)), key=lambda found: found.score, default=None)


def smallest_face_px(height: int, width: int, min_face_px: float | None) -> float:
    """Side of the smallest face looked for in an image: `min_face_px`, or the default share of its longer side."""
    if min_face_px is not None:
        return float(min_face_px)
    return max(MIN_FACE_PX, MIN_FACE_SHARE * max(height, width))
