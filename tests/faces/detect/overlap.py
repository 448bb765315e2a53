"""Overlap of boxes."""

from __future__ import annotations

import numpy as np


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    wide, high = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = max(wide, 0.0) * max(high, 0.0)
    return float(shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared))
