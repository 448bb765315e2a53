"""How far boxes overlap. A box is x0, y0, x1, y1 in pixels of one image."""

from __future__ import annotations

import numpy as np

__all__ = [
    "intersection_over_smaller",
    "intersection_over_union",
    "intersections_over_smaller",
    "intersections_over_union",
]

LEAST_PX2 = 1e-6
"""Least area that is divided by: boxes without an area share nothing."""


def intersection_over_union(one: np.ndarray, other: np.ndarray) -> float:
    """What two boxes, (4,) each, share, over the area that they cover together, 0 to 1."""
    return float(intersections_over_union(one, other[None])[0])


def intersection_over_smaller(one: np.ndarray, other: np.ndarray) -> float:
    """What two boxes, (4,) each, share, over the smaller one's area, 0 to 1."""
    return float(intersections_over_smaller(one, other[None])[0])


def intersections_over_union(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`intersection_over_union` of a box, (4,), with each of (N, 4) others: (N,) float64."""
    shared = _shared(box, others)
    return np.asarray(shared / np.maximum(_areas(box) + _areas(others) - shared, LEAST_PX2))


def intersections_over_smaller(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`intersection_over_smaller` of a box, (4,), with each of (N, 4) others: (N,) float64."""
    return np.asarray(_shared(box, others) / np.maximum(np.minimum(_areas(box), _areas(others)), LEAST_PX2))


def _shared(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    sides = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1), np.float64)
