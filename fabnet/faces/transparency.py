"""Transparent parts of PNG and WebP pictures: they show nothing, so that what the file has there is not read."""

from __future__ import annotations

import cv2
import numpy as np

from fabnet.files.kinds import PNG

__all__ = ["on_black"]

WITH_ALPHA = (4, 6)
"""Colour types of a PNG with a channel for it."""


def on_black(data: bytes, image: np.ndarray) -> np.ndarray:
    """Lay a picture over black, as the page in the browser does.

    Args:
        data: the file.
        image: (H, W, 3) uint8 BGR, decoded from it without regard to transparency, perhaps smaller.

    Returns:
        The image; unchanged if it is opaque.
    """
    if not _may_have_alpha(data):
        return image
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if whole is None or whole.ndim != 3 or whole.shape[2] != 4:
        return image
    alpha = np.asarray(whole[:, :, 3] if whole.dtype == np.uint8 else whole[:, :, 3] >> 8, np.uint8)
    if alpha.min() == 255:
        return image
    alpha = _turned(alpha, data)
    height, width = image.shape[:2]
    if alpha.shape != (height, width):
        alpha = np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.multiply(image, cv2.merge([alpha] * 3), scale=1 / 255))


def _turned(alpha: np.ndarray, data: bytes) -> np.ndarray:
    """Turn or mirror a transparency as the Exif says: OpenCV does so to the picture alone."""
    if not _may_have_exif(data):
        return alpha
    encoded = np.frombuffer(data, np.uint8)
    shown = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    stored = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert shown is not None
    assert stored is not None
    for one, other in zip((stored, stored[:, ::-1]), (alpha, alpha[:, ::-1]), strict=True):
        for quarters in range(4):
            if np.array_equal(np.rot90(one, quarters), shown):
                return np.ascontiguousarray(np.rot90(other, quarters))
    return alpha


def _may_have_exif(data: bytes) -> bool:
    return b"eXIf" in data if data.startswith(PNG) else data[12:16] == b"VP8X" and bool(data[20] & 0x08)


def _may_have_alpha(data: bytes) -> bool:
    if data.startswith(PNG):
        head = data[: max(data.find(b"IDAT"), 26)]
        return head[25] in WITH_ALPHA or b"tRNS" in head
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return False
    if data[12:16] == b"VP8X":
        return bool(data[20] & 0x10)
    return data[12:16] == b"VP8L" and bool(int.from_bytes(data[21:25], "little") >> 28 & 1)
