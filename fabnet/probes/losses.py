"""Training and selection losses of probes: squared error or weighted cross-entropies, with missing labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import log_softmax

from fabnet.probes.metrics import auc

__all__ = ["Loss", "class_weights", "mean_loss", "selection_loss", "unit_weights"]

Loss = Literal["squared", "classes", "units"]


def class_weights(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Inverse frequencies of mean 1 over the samples, so that every class has the same total weight.

    Args:
        classes: (N,) int.
        num_classes: C.

    Returns:
        (C,) float64; 0 for a class without a sample.

    Source: paper, section 5.1.2, Expression.
    """
    counts = np.bincount(classes, minlength=num_classes)
    present = counts > 0
    return np.where(present, len(classes) / np.maximum(counts, 1) / max(present.sum(), 1), 0.0)


def unit_weights(units: np.ndarray) -> np.ndarray:
    """Inverse-frequency weights of units, each independently present or absent.

    Args:
        units: (N, K) float, 0 or 1, NaN without a label.

    Returns:
        (N, K) float64: the weight of each label, 0 without one.
    """
    known = np.isfinite(units)
    count, there = known.sum(axis=0), np.nansum(units, axis=0)
    of_there = count / (2 * np.maximum(there, 1))
    of_absent = count / (2 * np.maximum(count - there, 1))
    return np.where(known, np.where(units == 1, of_there, of_absent), 0.0)


def mean_loss(predicted: np.ndarray, targets: np.ndarray, loss: Loss) -> float:
    """The mean loss of predictions.

    Args:
        predicted: (N, K) float; logits for classes and units.
        targets: (N, K) float, NaN without a label; (N, 1) class numbers for classes.
        loss: kind of loss.
    """
    known = np.isfinite(targets)
    if loss == "squared":
        return float(np.square(predicted - np.where(known, targets, 0))[known].mean())
    if loss == "classes":
        classes = targets[known[:, 0], 0].astype(int)
        weights = class_weights(classes, predicted.shape[1])[classes]
        rows = log_softmax(predicted[known[:, 0]], axis=1)[np.arange(len(classes)), classes]
        return float(-(weights * rows).sum() / weights.sum())
    weights = unit_weights(targets)
    rows = np.logaddexp(0, predicted) - np.where(known, targets, 0) * predicted
    return float((weights * rows).sum() / weights.sum())


def selection_loss(
    predicted: np.ndarray, targets: np.ndarray, loss: Loss, headline: Sequence[int] | None = None
) -> float:
    """The loss that a probe is chosen by: the squared error, or, for classes and units, 1 minus the mean AUC.

    Args:
        predicted: (N, K) float; logits for classes and units.
        targets: (N, K) float, NaN without a label; (N, 1) class numbers for classes.
        loss: kind of loss.
        headline: indices of the classes or units that count; None: all.
    """
    if loss == "squared":
        return mean_loss(predicted, targets, loss)
    truth = targets
    if loss == "classes":
        truth = np.where(np.isfinite(targets), targets == np.arange(predicted.shape[1]), np.nan)
    ones = np.ones((1, len(predicted)))
    areas = [auc(predicted[:, k], truth[:, k])(ones)[0] for k in headline or range(predicted.shape[1])]
    # If no AUC is defined (only one label occurs), any loss that falls with a better fit will do.
    return 1 - float(np.nanmean(areas)) / 100 if np.isfinite(areas).any() else mean_loss(predicted, targets, loss)
