"""What two faces are compared by: one measure for each kind of label.

Letters: M faces, P points, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fabnet.pose import ANGLES, geodesic_distance, rotation_matrix
from fabnet.probes.benchmark import Task

__all__ = ["Measure", "measures_of", "shape_distance"]


class Measure(NamedTuple):
    """A measure between faces.

    Attributes:
        name: with its unit: "degrees".
        column: the class or unit that it is of; empty: of all.
        of: places (Q,) of queries to (Q, M) their measure with every face.
        is_query: (M,) bool, which faces are asked about.
        larger_is_better: a share and no distance.
        in_headline: whether the task's figure is a mean over it.
    """

    name: str
    column: str
    of: Callable[[np.ndarray], np.ndarray]
    is_query: np.ndarray
    larger_is_better: bool = False
    in_headline: bool = True


def shape_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far one shape stays from another after the similarity (shift, turn, scale) that brings it nearest.

    The root mean square distance of the points, over that of the points from their middle: the full Procrustes
    distance, which is the same both ways. Mirroring is not allowed.

    Args:
        first: (Q, P, 2) points in any unit.
        second: (M, P, 2) likewise.

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


def measures_of(task: Task, targets: np.ndarray) -> list[Measure]:
    """The measures of a task.

    Args:
        task: what is asked of faces.
        targets: (M, K) of the faces that have a label.

    Returns:
        Points: `shape_distance`, per cent. Roll, pitch and yaw: the angle of the rotation between the two poses,
        degrees; other angles: the mean absolute difference, degrees. Values: the mean absolute difference in standard
        deviations of these faces. Classes and units: for each the per cent of faces that have it, asked about by faces
        that have it.
    """
    everyone = np.ones(len(targets), dtype=bool)
    if task.kind == "points":
        points = targets.reshape(len(targets), -1, 2)
        return [Measure("shape distance, %", "", lambda queries: shape_distance(points[queries], points), everyone)]
    if task.kind == "angles" and task.columns == ANGLES:
        turned = rotation_matrix(np.radians(targets))
        return [
            Measure(
                "degrees", "", lambda queries: np.degrees(geodesic_distance(turned[queries, None], turned)), everyone
            )
        ]
    if task.kind in ("angles", "values"):
        scale = np.ones(targets.shape[1]) if task.kind == "angles" else np.maximum(targets.std(axis=0), 1e-12)

        def difference(queries: np.ndarray) -> np.ndarray:
            return np.asarray((np.abs(targets[queries, None] - targets) / scale).mean(axis=2))

        name = "degrees" if task.kind == "angles" else "difference, standard deviations"
        return [Measure(name, "", difference, everyone)]
    has = targets == np.arange(len(task.columns)) if task.kind == "classes" else targets == 1
    headline = task.headline or task.columns
    return [
        Measure("precision, %", column, _share_of(has[:, place]), has[:, place], True, column in headline)
        for place, column in enumerate(task.columns)
        if has[:, place].any()
    ]


def _share_of(has: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda queries: np.broadcast_to(100.0 * has, (len(queries), len(has)))
