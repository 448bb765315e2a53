"""Points of the face.

Letters: N faces, P points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from fabnet.probes.measures import Measure, shape_distance
from fabnet.probes.metrics import Figure, weighted_mean
from fabnet.probes.tasks.task import Learned, Task

__all__ = ["Normaliser", "Points", "box_side", "point_distance", "point_errors"]


class Normaliser(NamedTuple):
    """A length that landmark errors are divided by.

    Attributes:
        name: name given with every error: "outer-eye distance".
        measure: (N, P, 2) true points in pixels to (N,) pixels.
    """

    name: str
    measure: Callable[[np.ndarray], np.ndarray]


def point_distance(first: int, second: int, name: str) -> Normaliser:
    """The distance between two of the points, numbered from 0."""
    return Normaliser(name, lambda points: np.linalg.norm(points[:, first] - points[:, second], axis=1))


def box_side() -> Normaliser:
    """The geometric mean of the sides of the box around the labelled points; NaN if no point has a label."""

    def measure(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt((np.fmax.reduce(points, axis=1) - np.fmin.reduce(points, axis=1)).prod(axis=1)))

    return Normaliser("points' box side", measure)


def point_errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The mean distance between predicted and true points of each face.

    Args:
        predicted: (N, P, 2) in any unit.
        true: (N, P, 2) in the same unit; points without a label are NaN and do not count.

    Returns:
        (N,) in that unit; NaN if no point has a label.
    """
    distances = np.linalg.norm(predicted - true, axis=2)
    known = np.isfinite(distances)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, distances, 0).sum(axis=1) / known.sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points(Task):
    """Points, learned in [-1, 1] of the seen part of the image, scored by mean distance over a length of the face.

    Attributes:
        targets: (N, 2 P) x0, y0, x1, y1 ... in pixels of the image, pixel centres at integers + 0.5.
        normalisers: the lengths that the error is divided by, the headline's first.
    """

    kind: ClassVar[str] = "points"

    normalisers: tuple[Normaliser, ...] = ()

    @property
    def num_points(self) -> int:
        """P, the number of points."""
        return int(self.targets.shape[1]) // 2

    @property
    def output_names(self) -> tuple[str, ...]:
        """The coordinates in order: x0, y0, x1, y1 ..."""
        return tuple(f"{axis}{i}" for i in range(self.num_points) for axis in "xy")

    def learned(self, seen_px: np.ndarray, training: np.ndarray) -> Learned:
        """See `Task.learned`."""
        first, sides = seen_px[:, None, :2], (seen_px[:, 2:] - seen_px[:, :2])[:, None]
        shape = self.targets.shape
        points = self.targets.reshape(len(self.targets), -1, 2)

        def to_pixels(made: np.ndarray) -> np.ndarray:
            return np.asarray(((made.reshape(points.shape) + 1) / 2 * sides + first).reshape(shape))

        ones = np.ones(shape[1])
        return Learned((2 * (points - first) / sides - 1).reshape(shape), to_pixels, 0 * ones, ones)

    def figures(self, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
        """The mean error in per cent of each normaliser; the first is the headline."""
        points = true.reshape(len(true), -1, 2)
        distances = point_errors(predicted.reshape(points.shape), points)
        with np.errstate(divide="ignore"):
            shares = [100 * distances / norm.measure(points) for norm in self.normalisers]
        return tuple(
            Figure(f"error, % of {norm.name}", weighted_mean(share), place == 0, np.isfinite(share))
            for place, (norm, share) in enumerate(zip(self.normalisers, shares, strict=True))
        )

    def measures(self, targets: np.ndarray) -> list[Measure]:
        """`shape_distance` in per cent."""
        points = targets.reshape(len(targets), -1, 2)
        everyone = np.ones(len(targets), dtype=bool)
        return [Measure("shape distance, %", "", lambda queries: shape_distance(points[queries], points), everyone)]
