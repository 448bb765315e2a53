"""Faces that lie on their side or upside down, which detectors often miss: the image is turned and searched again."""

from __future__ import annotations

import cv2
import numpy as np

from fabnet.faces.detect.detection import Detection, Detector, NamedDetector
from fabnet.faces.detect.tiles import suppress

__all__ = ["AnyWayUp", "search_turned"]

TURNS = {-90.0: cv2.ROTATE_90_COUNTERCLOCKWISE, 180.0: cv2.ROTATE_180, 90.0: cv2.ROTATE_90_CLOCKWISE}
"""How heads lie, in degrees anticlockwise, and the turn of the image by which they stand upright."""
TURNED_SCORE = 0.92
"""Score from which a face of a turned image counts. It is higher than that of faces as they stand, because three more
searches would otherwise see more faces where none are; 98 to 100 % of faces that stand upright there exceed it."""
UPRIGHT_SCORE = 0.94
"""Score that 97 to 100 % of upright faces exceed, and of those that are upside down 5 to 13 %."""


class AnyWayUp:
    """A detector for faces of any lean: also searches the image turned by 90, 180 and 270 degrees if in doubt.

    This is done if no face is found as the image stands, or half of those that are found do not surely stand upright
    (`UPRIGHT_SCORE`).

    Args:
        detector: what finds faces that are about upright.
    """

    def __init__(self, detector: NamedDetector) -> None:
        self._detector = detector

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""
        found = self._detector(image)
        if found and np.median([face.score for face in found]) >= UPRIGHT_SCORE:
            return found
        return suppress([*found, *search_turned(self._detector, image)])

    def smallest_px(self, height: int, width: int) -> float:
        """See `NamedDetector.smallest_px`."""
        return self._detector.smallest_px(height, width)


def search_turned(detector: Detector, image: np.ndarray) -> list[Detection]:
    """Find the faces that lie on their side or upside down.

    Args:
        detector: what finds faces that are about upright.
        image: (H, W, 3) uint8 RGB.

    Returns:
        The faces with a score of `TURNED_SCORE` or more, best score first, with boxes and points in the image as it
        stands.
    """
    height, width = image.shape[:2]
    found = []
    for turn_deg, turn in TURNS.items():
        sure = [face for face in detector(cv2.rotate(image, turn)) if face.score >= TURNED_SCORE]
        found += [_turned_back(face, turn_deg, width, height) for face in sure]
    return suppress(found)


def _turned_back(face: Detection, turn_deg: float, width: int, height: int) -> Detection:
    """A face of a turned image, in the image of this width and height as it stands."""
    x, y = np.concatenate([face.box_px.reshape(2, 2), face.landmarks5_px]).T
    places = {-90.0: (width - y, x), 180.0: (width - x, height - y), 90.0: (y, height - x)}
    points = np.stack(places[turn_deg], axis=1)
    box = np.concatenate([points[:2].min(axis=0), points[:2].max(axis=0)])
    return Detection(box, points[2:], face.score, turn_deg)
