"""Finds a video's faces: searches whole frames when needed, and around the former faces on frames in between."""

from __future__ import annotations

import itertools

import numpy as np

from fabnet.faces.boxes import intersection_over_smaller
from fabnet.faces.detect.detection import Detection, Detector, follow
from fabnet.video.link import MAX_GAP_S

__all__ = ["FaceSearch"]

SEARCH_EVERY_S = 1.0
"""Time between two searches of a whole frame."""
PLAIN_SCORE = 0.9
"""Score below which a face is in doubt."""
MAX_OVERLAP = 0.3
"""Intersection over the smaller box beyond which two followed faces may be the same one."""


class FaceSearch:
    """Finds the faces of successive frames of a video, searching as little of each frame as possible.

    Faces are normally looked for around their boxes in the previous frame. The whole frame is searched if a face is not
    found again, has a low score or overlaps another, while a missing face can still continue its track, and at least
    every `SEARCH_EVERY_S`, which finds new faces.

    Args:
        detector: the face detector.

    Attributes:
        num_searched: number of frames searched whole so far.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._faces: list[Detection] = []
        self._searched_s = self._missing_until_s = -np.inf
        self.num_searched = 0

    def push(self, image: np.ndarray, time_s: float, *, is_whole: bool) -> list[Detection]:
        """Find the faces of the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            time_s: its time in seconds; non-decreasing.
            is_whole: search the whole frame in any case, as after a cut.

        Returns:
            Its faces.
        """
        is_due = time_s >= self._searched_s + SEARCH_EVERY_S or time_s <= self._missing_until_s
        found = None if is_whole or is_due else self._followed(image)
        if found is None:
            found = self._detector(image)
            self.num_searched, self._searched_s = self.num_searched + 1, time_s
            if len(found) < len(self._faces):
                self._missing_until_s = time_s + MAX_GAP_S
        self._faces = found
        return found

    def _followed(self, image: np.ndarray) -> list[Detection] | None:
        """The previous frame's faces, found again; None if anything is in doubt."""
        found = []
        for face in self._faces:
            again = follow(self._detector, image, face)
            if again is None or min(face.score, again.score) < PLAIN_SCORE:
                return None
            found.append(again)
        pairs = itertools.combinations([face.box_px for face in found], 2)
        return None if any(intersection_over_smaller(one, other) > MAX_OVERLAP for one, other in pairs) else found
