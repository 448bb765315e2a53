"""The faces of one photo in their canonical windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.faces.detect.detection import Detector
from fabnet.reading.canonical import Eyes

__all__ = ["PhotoFaces", "faces_of_photo"]


class PhotoFaces(NamedTuple):
    """N faces of a photo, largest first.

    Attributes:
        seen: what the encoder saw of them.
        boxes_px: (N, 4) float32 boxes, as a detector gives them, where the encoder saw the faces.
        scores: scores of the detector, 0 to 1.
    """

    seen: EncodedFaces
    boxes_px: np.ndarray
    scores: list[float]


def faces_of_photo(image: np.ndarray, eyes: Eyes, detector: Detector, *, most: int | None = None) -> PhotoFaces | None:
    """Find the faces of a photo; None if there is none.

    Args:
        image: (H, W, 3) uint8 RGB.
        eyes: the encoder and its face reader.
        detector: what finds faces.
        most: the number of faces at the most, the largest; None: all.
    """
    found = sorted(detector(image), key=lambda face: -float(np.prod(face.box_px[2:] - face.box_px[:2])))[:most]
    if not found:
        return None
    turns_deg = np.array([face.turn_deg for face in found])
    seen = eyes.find([image] * len(found), eyes.first_windows(found), turns_deg).seen
    return PhotoFaces(seen, eyes.face_boxes(seen.boxes_px, seen.turns_deg), [face.score for face in found])
