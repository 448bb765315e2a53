"""How well a face is to be seen in a window: its light, and how fine its detail is."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["STRIDE_PX", "detail_of", "light_of"]

STRIDE_PX = 4
"""Distance of the grey levels that `detail_of` compares with neighbours."""


def light_of(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness and contrast of the middle of (N, size, size, 3) windows, (N,) float32 in [0, 1] each."""
    size = views.shape[1]
    middle = views[:, size // 4 : -(size // 4), size // 4 : -(size // 4)]
    grey = [cv2.cvtColor(view, cv2.COLOR_RGB2GRAY) for view in middle]
    stats = [cv2.meanStdDev(view) for view in grey]
    means, deviations = (np.array([each[k][0, 0] for each in stats], np.float32) / 255 for k in (0, 1))
    return means, deviations


def detail_of(views: np.ndarray) -> np.ndarray:
    """How fine the detail in the middle of (N, size, size, 3) windows is, (N,) float32.

    The mean difference of grey levels one pixel apart over that of levels four apart, in the direction in which it is
    smaller, as a motion blurs one direction alone: 0.25 where grey levels only slope, 1 in noise.
    """
    edge = views.shape[1] // 5
    made = np.empty(len(views), np.float32)
    for place, view in enumerate(views[:, edge:-edge, edge:-edge]):
        grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32)
        made[place] = min(_difference(each, 1) / max(_difference(each, STRIDE_PX), 1e-6) for each in (grey, grey.T))
    return made


def _difference(grey: np.ndarray, px: int) -> float:
    """Mean difference of grey levels so many pixels apart in their column."""
    return float(np.abs(grey[px:] - grey[:-px]).mean())
