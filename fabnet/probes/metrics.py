"""Figures of merit as functions of sample weights: all ones give the figure, bootstrap counts its interval.

Letters: N samples, R draws of a bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Figure", "Weighted", "auc", "bootstrap_weights", "correlation", "interval", "mean_of", "weighted_mean"]

Weighted = Callable[[np.ndarray], np.ndarray]
"""From (R, N) weights to (R,) values; NaN where a draw leaves nothing to measure."""


class Figure(NamedTuple):
    """One figure of a task.

    Attributes:
        metric: name with its unit.
        of: the figure as a function of the samples' weights.
        is_headline: whether it represents the task.
        counts: (N,) bool: the samples that it covers; None: all with a label of the task.
    """

    metric: str
    of: Weighted
    is_headline: bool = False
    counts: np.ndarray | None = None


def bootstrap_weights(people: np.ndarray, *, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """Counts of each sample in each draw of a bootstrap over people.

    Args:
        people: (N,) the person of each sample; if people are unnamed, a unique value per sample.
        draws: R.
        seed: seed of the draws; the same seed and people give the same draws, so differences can be paired.

    Returns:
        (R, N) float32 counts.
    """
    names, codes = np.unique(people, return_inverse=True)
    chosen = np.random.default_rng(seed).integers(0, len(names), (draws, len(names)))
    counts = np.zeros((draws, len(names)), dtype=np.float32)
    np.add.at(counts, (np.arange(draws)[:, None], chosen), 1)
    return counts[:, codes]


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap values; NaN draws do not count, and NaN if all are."""
    if not np.isfinite(values).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def weighted_mean(values: np.ndarray) -> Weighted:
    """The mean of (N,) values; NaN values do not count."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)

    def of(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights @ filled) / (weights @ known))

    return of


def auc(scores: np.ndarray, is_positive: np.ndarray) -> Weighted:
    """The area under the ROC curve in per cent; ties count half.

    Args:
        scores: (N,) float, higher for positives.
        is_positive: (N,) 1 or 0, NaN without a label.
    """
    places = np.flatnonzero(np.isfinite(is_positive))
    order = places[np.argsort(scores[places], kind="stable")]
    _, starts = np.unique(scores[order], return_index=True)
    positive = is_positive[order] == 1

    def of(weights: np.ndarray) -> np.ndarray:
        ordered = weights[:, order].astype(np.float64)
        if not len(order):
            return np.full(len(weights), np.nan)
        above = np.add.reduceat(ordered * positive, starts, axis=1)
        below = np.add.reduceat(ordered * ~positive, starts, axis=1)
        won = (above * (below.cumsum(axis=1) - below / 2)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(100 * won / (above.sum(axis=1) * below.sum(axis=1)))

    return of


def correlation(predicted: np.ndarray, true: np.ndarray) -> Weighted:
    """Pearson's correlation of (N,) with (N,) values; NaN in `true` marks a missing label."""
    known = np.isfinite(true)
    first, second = _standardised(predicted, known), _standardised(true, known)

    def of(weights: np.ndarray) -> np.ndarray:
        weights = weights * known
        with np.errstate(invalid="ignore", divide="ignore"):
            total = weights.sum(axis=1)
            mean1, mean2 = weights @ first / total, weights @ second / total
            both = weights @ (first * second) / total - mean1 * mean2
            spread1 = weights @ first**2 / total - mean1**2
            spread2 = weights @ second**2 / total - mean2**2
            return np.asarray(both / np.sqrt(np.maximum(spread1 * spread2, 1e-24)))

    return of


def _standardised(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Centred and scaled, so that neither a large offset nor a small unit is lost to rounding; 0 where unknown."""
    if not known.any():
        return np.zeros(len(values))
    centred = np.where(known, values - values[known].mean(), 0.0)
    scale = float(np.sqrt(np.square(centred).sum() / known.sum()))
    return np.asarray(centred / scale if scale > 1e-9 * np.abs(values[known]).max() else np.zeros(len(values)))


def mean_of(figures: Sequence[Weighted]) -> Weighted:
    """The mean of several figures, draw by draw."""
    return lambda weights: np.mean([each(weights) for each in figures], axis=0)
