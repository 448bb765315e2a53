"""Measures between two faces, for rankings.

Letters: M faces, P points, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Measure", "difference_measure", "precision_measures", "shape_distance"]


class Measure(NamedTuple):
    """A measure between faces.

    Attributes:
        name: name with its unit: "degrees".
        column: its class or unit; empty if it covers all.
        of: function from indices (Q,) of queries to (Q, M) values against every face.
        is_query: (M,) bool, which faces are queries.
        larger_is_better: whether it is a share rather than a distance.
        in_headline: whether it counts in the task's headline figure.
    """

    name: str
    column: str
    of: Callable[[np.ndarray], np.ndarray]
    is_query: np.ndarray
    larger_is_better: bool = False
    in_headline: bool = True


def shape_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The distance that remains between two shapes after the best similarity (shift, rotation, scale).

    The root mean square distance of the points over their root mean square distance from the centre: the full
    Procrustes distance, which is symmetric. Mirroring is not allowed.

    Args:
        first: (Q, P, 2) points in any unit.
        second: (M, P, 2) points in any unit.

    Returns:
        (Q, M) per cent, 0 to 100.

    Source:
        Dryden, Mardia: Statistical shape analysis, 1998, section 4.2: in complex coordinates of unit size the distance
        is sqrt(1 - |<z, w>|^2).
    """
    overlap = np.abs(_as_complex(first) @ _as_complex(second).conj().T)
    return np.asarray(100 * np.sqrt(np.clip(1 - overlap**2, 0, 1)))


def _as_complex(points: np.ndarray) -> np.ndarray:
    shapes = points[..., 0] + 1j * points[..., 1]
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    return np.asarray(shapes / np.linalg.norm(shapes, axis=1, keepdims=True))


def difference_measure(name: str, targets: np.ndarray, scale: np.ndarray) -> Measure:
    """The mean absolute difference of (M, K) targets over (K,) scale."""

    def difference(queries: np.ndarray) -> np.ndarray:
        return np.asarray((np.abs(targets[queries, None] - targets) / scale).mean(axis=2))

    return Measure(name, "", difference, np.ones(len(targets), dtype=bool))


def precision_measures(has: np.ndarray, columns: tuple[str, ...], headline: tuple[str, ...]) -> list[Measure]:
    """For each column, the per cent of faces that have it, with the faces that have it as queries.

    Args:
        has: (M, K) bool.
        columns: K names.
        headline: the columns in the task's headline figure.
    """
    return [
        Measure("precision, %", column, _share_of(has[:, place]), has[:, place], True, column in headline)
        for place, column in enumerate(columns)
        if has[:, place].any()
    ]


def _share_of(has: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda queries: np.broadcast_to(100.0 * has, (len(queries), len(has)))
