"""An image pyramid by repeated halving: a cheap way to much smaller images."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["halves"]


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
