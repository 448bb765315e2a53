"""The interface of face detectors, and their result."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from fabnet.faces.crop import window_of

__all__ = [
    "MIN_FACE_PX",
    "MIN_FACE_SHARE",
    "Detection",
    "Detector",
    "Follower",
    "NamedDetector",
    "SmallestFace",
    "follow",
]

MIN_FACE_PX = 20.0
MIN_FACE_SHARE = 1 / 16
"""Side of the smallest face in a frame of video, over the frame's longer side."""
LONG = 16 / 9
"""Aspect ratio up to which the smallest face depends on the longer side alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face in one image.

    Convention: pixels of the detector's input image, pixel centres at integers + 0.5, so that a box over the whole
    image is (0, 0, W, H).
    """

    box_px: np.ndarray
    """(4,) float32: x0, y0, x1, y1."""
    landmarks5_px: np.ndarray
    """(5, 2) float32, x and y: left eye, right eye, nose, left and right mouth corner, as seen in the image; of a face
    that was found in a turned image, as seen there."""
    score: float
    """Confidence, 0 to 1."""
    turn_deg: float = 0.0
    """How far the head lies to a side: 0, 90, -90 or 180 degrees anticlockwise in the image."""

    def moved(self, x: float, y: float) -> Detection:
        """The face in an image with `x` more pixels on the left and `y` more at the top."""
        by = np.array([x, y], np.float32)
        return replace(self, box_px=self.box_px + np.tile(by, 2), landmarks5_px=self.landmarks5_px + by)

    def scaled(self, by: np.ndarray) -> Detection:
        """The face in an image scaled by `by`, (2,) x and y."""
        return replace(self, box_px=self.box_px * np.tile(by, 2), landmarks5_px=self.landmarks5_px * by)


class Detector(Protocol):
    """Finds faces in one image."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""


class NamedDetector(Detector, Protocol):
    """A detector made by `load_detector`, which knows the size of the smallest face that it looks for."""

    def smallest_px(self, height: int, width: int) -> float:
        """Side of the smallest face looked for in an image of this size, in its pixels."""


@runtime_checkable
class Follower(Detector, Protocol):
    """A detector that can find a face again more cheaply than by searching the whole image."""

    def follow(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Find a face again whose position and size have changed by less than half of its side.

        Args:
            image: (H, W, 3) uint8 RGB, of the same size as the image that the face was found in.
            face: the face in that earlier image.

        Returns:
            The face in this image; None if it is not found.
        """


def follow(detector: Detector, image: np.ndarray, face: Detection) -> Detection | None:
    """Find a face again, see `Follower.follow`; other detectors search a window of twice the face's box."""
    if isinstance(detector, Follower):
        return detector.follow(image, face)
    middle, reach = (face.box_px[:2] + face.box_px[2:]) / 2, (face.box_px[2:] - face.box_px[:2]).max()
    left, top, window = window_of(image, np.concatenate([middle - reach, middle + reach]))
    return max((found.moved(left, top) for found in detector(window)), key=lambda found: found.score, default=None)


@dataclass(frozen=True, slots=True)
class SmallestFace:
    """Size of the smallest face that a detector looks for."""

    px: float | None = None
    """Side in pixels of the image; None: `share` decides."""
    share: float = MIN_FACE_SHARE
    """Side over the image's longer side; the result is at least `MIN_FACE_PX`."""

    def of(self, height: int, width: int) -> float:
        """Side of the smallest face looked for in an image of this size, in its pixels.

        If `share` decides, an image longer than 16:9 uses the longer side of a 16:9 image of the same area, and at most
        a quarter of the shorter side, so that a very long image costs no more than others of its area and its faces are
        still found.
        """
        if self.px is not None:
            return float(self.px)
        longer, shorter = max(height, width), min(height, width)
        longer_px = min(float(longer), math.sqrt(longer * shorter * LONG))
        return max(MIN_FACE_PX, min(self.share * longer_px, shorter / 4))
