"""A picture at half its size, and half of that: the cheap way to much smaller pictures."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["halves"]


def halves(image: np.ndarray, smallest_px: int) -> list[np.ndarray]:
    """Shrink an image by halves for as long as it stays large enough.

    Args:
        image: (H, W) or (H, W, 3) uint8; not empty.
        smallest_px: what no side of a halved image falls below.

    Returns:
        The image, then it at 1/2, 1/4, ... of its size, every pixel the mean of four; an odd last row or column is left
        out.
    """
    found = [image]
    while min(found[-1].shape[:2]) >= 2 * smallest_px:
        height, width = (side // 2 for side in found[-1].shape[:2])
        whole = found[-1][: 2 * height, : 2 * width]
        found.append(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))
    return found
