"""How far two boxes overlap. Boxes are (4,) x0, y0, x1, y1 in pixels of one image."""

from __future__ import annotations

import numpy as np

__all__ = ["intersection_over_smaller", "intersection_over_union"]

LEAST_PX2 = 1e-6
"""Least area that is divided by: boxes without an area share nothing."""


def intersection_over_union(one: np.ndarray, other: np.ndarray) -> float:
    """What two boxes share, over the area that they cover together, 0 to 1."""
    shared = _shared(one, other)
    return shared / max(_area(one) + _area(other) - shared, LEAST_PX2)


def intersection_over_smaller(one: np.ndarray, other: np.ndarray) -> float:
    """What two boxes share, over the smaller one's area, 0 to 1."""
    return _shared(one, other) / max(min(_area(one), _area(other)), LEAST_PX2)


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    sides = np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0)
    return float(sides[0] * sides[1])


def _area(box: np.ndarray) -> float:
    return float(np.prod(box[2:] - box[:2]))
