"""Small pictures of faces, to show what is found in an embeddings dataset."""

from __future__ import annotations

import cv2
import numpy as np

from fabnet.faces.picture import jpeg_bytes

__all__ = ["THUMBNAIL_PX", "thumbnail"]

THUMBNAIL_PX = 96
QUALITY = 80


def thumbnail(image: np.ndarray) -> bytes:
    """Encode a face crop, (H, W, 3) uint8 RGB, as a JPEG of 96 x 96 pixels and about 3 kB."""
    small = cv2.resize(image, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return jpeg_bytes(small, QUALITY)
