"""Finding a video's faces: everywhere on the frames that matter, and where they were on those in between."""

from __future__ import annotations

import itertools

import numpy as np

from fabnet.faces.detect.detection import Detection, Detector, follow
from fabnet.video.link import MAX_GAP_S

__all__ = ["FaceSearch"]

SEARCH_EVERY_S = 1.0
"""Between two searches of a whole frame."""
PLAIN_SCORE = 0.9
"""A face with a lower score is in doubt."""
MAX_OVERLAP = 0.3
"""Two faces that share more of the smaller one's box may have become one."""


class FaceSearch:
    """Finds the faces of a video's frames, one after the other, and searches no more of a frame than it needs to.

    In between the frames that have to be searched, faces are looked for where they were on the frame before. Whatever
    is in doubt has the whole frame searched: a face that is not found again, or with a low score, or that another one
    has come close to; and, for as long as a track can wait for it, a face that is missing. A face that comes into the
    picture is met by the next search, `SEARCH_EVERY_S` after the last one at the latest.

    Args:
        detector: what finds faces.

    Attributes:
        num_searched: frames searched as a whole so far.
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
            time_s: its time in seconds; never falling.
            is_whole: search the whole frame whatever was found before, as after a cut.

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
        """The faces of the frame before, found again; None where anything is in doubt."""
        found = []
        for face in self._faces:
            again = follow(self._detector, image, face)
            if again is None or min(face.score, again.score) < PLAIN_SCORE:
                return None
            found.append(again)
        pairs = itertools.combinations([face.box_px for face in found], 2)
        return None if any(_overlap(one, other) > MAX_OVERLAP for one, other in pairs) else found


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """What two boxes share, over the smaller one's area."""
    sides = np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0)
    areas = [float(np.prod(box[2:] - box[:2])) for box in (first, second)]
    return float(np.prod(sides)) / max(min(areas), 1.0)
