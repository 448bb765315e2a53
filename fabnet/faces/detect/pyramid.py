"""Smaller images for detectors: of any size, and a pyramid by repeated halving."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["halves", "shrunk"]


def halves(image: np.ndarray, smallest_px: int) -> list[np.ndarray]:
    """Halve an image repeatedly while it stays large enough.

    Args:
        image: (H, W) or (H, W, 3) uint8; not empty.
        smallest_px: lower bound on the shorter side of a halved image.

    Returns:
        The image at 1, 1/2, 1/4, ... of its size; every pixel is the mean of four, and an odd last row or column is
        dropped.
    """
    found = [image]
    height, width = image.shape[:2]
    while height >= 2 * smallest_px and width >= 2 * smallest_px:
        height, width = height // 2, width // 2
        whole = found[-1][: 2 * height, : 2 * width]
        found.append(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))
    return found


def shrunk(image: np.ndarray, times: float) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image; or enlarge it, if `times` is less than 1.

    Args:
        image: (H, W, 3) uint8; not empty.
        times: side of the image over that of the result.

    Returns:
        The smaller image, of 1 x 1 pixels or more; and (2,) float32 width and height of its pixels in pixels of the
        image.
    """
    if times == 1:
        return image, np.ones(2, np.float32)
    height, width = image.shape[:2]
    size = (max(1, round(width / times)), max(1, round(height / times)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if times > 1 else cv2.INTER_LINEAR)
    return np.asarray(small), np.array([width / size[0], height / size[1]], np.float32)
