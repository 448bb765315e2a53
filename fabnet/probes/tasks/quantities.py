"""Angles and plain values: quantities predicted by regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fabnet.faces.pose import ANGLES, geodesic_distance, rotation_matrix
from fabnet.probes.measures import Measure, difference_measure
from fabnet.probes.metrics import Figure, Weighted, correlation, mean_of, weighted_mean
from fabnet.probes.tasks.task import Learned, Task

__all__ = ["Angles", "Values"]


def _errors(predicted: np.ndarray, true: np.ndarray) -> list[Weighted]:
    return [weighted_mean(np.abs(predicted[:, k] - true[:, k])) for k in range(true.shape[1])]


def _correlations(predicted: np.ndarray, true: np.ndarray) -> list[Weighted]:
    return [correlation(predicted[:, k], true[:, k]) for k in range(true.shape[1])]


def _named(what: str, columns: tuple[str, ...], figures: list[Weighted]) -> list[Figure]:
    return [Figure(f"{what}, {name}", of) for name, of in zip(columns, figures, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Angles(Task):
    """Angles in degrees, learned in radians, scored by their mean absolute error."""

    kind: ClassVar[str] = "angles"

    def learned(self, seen_px: np.ndarray, training: np.ndarray) -> Learned:
        """See `Task.learned`."""
        ones = np.ones(self.targets.shape[1])
        return Learned(np.radians(self.targets), np.degrees, 0 * ones, ones)

    def figures(self, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
        """The mean absolute error in degrees over all columns (the headline) and of each; their correlations."""
        errors = _errors(predicted, true)
        return (
            Figure("error in degrees, mean", mean_of(errors), True),
            *_named("error in degrees", self.columns, errors),
            *_named("correlation", self.columns, _correlations(predicted, true)),
        )

    def measures(self, targets: np.ndarray) -> list[Measure]:
        """Roll, pitch and yaw: the angle of the rotation between two poses; others: the mean absolute difference."""
        if self.columns != ANGLES:
            return [difference_measure("degrees", targets, np.ones(targets.shape[1]))]
        turned = rotation_matrix(np.radians(targets))
        return [
            Measure(
                "degrees", "", lambda queries: np.degrees(geodesic_distance(turned[queries, None], turned)),
                np.ones(len(targets), dtype=bool),
            )
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Values(Task):
    """Plain values, learned in standard deviations of the training faces, scored by correlation."""

    kind: ClassVar[str] = "values"

    def learned(self, seen_px: np.ndarray, training: np.ndarray) -> Learned:
        """See `Task.learned`."""
        centre = np.nanmean(self.targets[training], axis=0)
        scale = np.maximum(np.nanstd(self.targets[training], axis=0), 1e-12)
        return Learned((self.targets - centre) / scale, lambda made: made * scale + centre, centre, scale)

    def figures(self, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
        """The mean correlation (the headline); the mean absolute error and the correlation of each column."""
        related = _correlations(predicted, true)
        return (
            Figure("correlation, mean", mean_of(related), True),
            *_named("absolute error", self.columns, _errors(predicted, true)),
            *_named("correlation", self.columns, related),
        )

    def measures(self, targets: np.ndarray) -> list[Measure]:
        """The mean absolute difference in standard deviations of these faces."""
        scale = np.maximum(targets.std(axis=0), 1e-12)
        return [difference_measure("difference, standard deviations", targets, scale)]
