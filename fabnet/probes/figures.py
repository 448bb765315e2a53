"""The figures of each kind of task."""

from __future__ import annotations

import numpy as np

from fabnet.probes.benchmark import Task
from fabnet.probes.metrics import Figure, auc, correlation, mean_of, weighted_mean

__all__ = ["figures_of", "point_errors"]


def point_errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The mean distance of each face's points.

    Args:
        predicted: (N, P, 2) in any unit.
        true: (N, P, 2) in the same; points without a label are NaN and do not count.

    Returns:
        (N,) in that unit; NaN where no point has a label.
    """
    distances = np.linalg.norm(predicted - true, axis=2)
    known = np.isfinite(distances)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, distances, 0).sum(axis=1) / known.sum(axis=1))


def figures_of(task: Task, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
    """Score predictions.

    Args:
        task: what was asked.
        predicted: (N, K) in the task's units; (N, C) logits of classes, (N, K) of units.
        true: (N, K) the targets of the same faces.

    Returns:
        Landmarks: the mean error in per cent of each normaliser, the first the headline. Angles: the mean absolute
        error in degrees of each and their mean, the headline, and their correlations. Classes and units: the AUC of
        each, one against the rest, and the mean over the headline's columns. Values: each correlation and mean absolute
        error; the mean correlation is the headline.
    """
    if task.kind == "points":
        points = true.reshape(len(true), -1, 2)
        distances = point_errors(predicted.reshape(points.shape), points)
        with np.errstate(divide="ignore"):
            shares = [100 * distances / norm.measure(points) for norm in task.normalisers]
        return tuple(
            Figure(f"error, % of {norm.name}", weighted_mean(share), place == 0, np.isfinite(share))
            for place, (norm, share) in enumerate(zip(task.normalisers, shares, strict=True))
        )
    headline = task.headline or task.columns
    if task.kind in ("angles", "values"):
        unit = "error in degrees" if task.kind == "angles" else "absolute error"
        errors = [weighted_mean(np.abs(predicted[:, k] - true[:, k])) for k in range(true.shape[1])]
        related = [correlation(predicted[:, k], true[:, k]) for k in range(true.shape[1])]
        each = [Figure(f"{unit}, {name}", of) for name, of in zip(task.columns, errors, strict=True)]
        each += [Figure(f"correlation, {name}", of) for name, of in zip(task.columns, related, strict=True)]
        if task.kind == "angles":
            return (Figure(f"{unit}, mean", mean_of(errors), True), *each)
        return (Figure("correlation, mean", mean_of(related), True), *each)
    if task.kind == "classes":
        truth = np.where(np.isfinite(true), true == np.arange(len(task.columns)), np.nan)
    else:
        truth = true
    areas = {name: auc(predicted[:, k], truth[:, k]) for k, name in enumerate(task.columns)}
    figures = [Figure("AUC, mean", mean_of([areas[name] for name in headline]), True)]
    if len(headline) < len(areas):
        figures.append(Figure("AUC, mean of all", mean_of(list(areas.values()))))
    figures += [Figure(f"AUC, {name}", of) for name, of in areas.items()]
    if task.kind == "classes":
        right = np.where(np.isfinite(true[:, 0]), predicted.argmax(axis=1) == true[:, 0], np.nan)
        figures.append(Figure("accuracy, %", weighted_mean(100 * right)))
    return tuple(figures)
