"""What a task's probes and networks minimise in training, and what they are chosen by; labels may be missing.

Letters: N samples, K outputs, L labels per sample: 1 for classes, else K.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from fabnet.probes.metrics import auc

if TYPE_CHECKING:
    import torch

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Loss",
    "SquaredError",
    "class_weights",
    "one_hot",
    "unit_weights",
]


class Loss(ABC):
    """The loss of a kind of task."""

    def num_outputs(self, targets: np.ndarray) -> int:
        """K, given the (N, L) targets."""
        return int(targets.shape[1])

    @abstractmethod
    def weights(self, targets: np.ndarray) -> np.ndarray:
        """The weight of each label: (N, L) targets, NaN without a label, to (N, L) float64, 0 without a label."""

    @abstractmethod
    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of each label.

        Args:
            outputs: (N, K) float32; logits for classes and units.
            targets: (N, L) float32; any number without a label.

        Returns:
            (N, L).
        """

    def batch_mean(self, outputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """A batch's weighted mean loss: a scalar, 0 if nothing has a label.

        Args:
            outputs: (N, K) float32; logits for classes and units.
            targets: (N, L) float32; any number without a label.
            weights: (N, L); 0 without a label.

        Source: paper, section 5.1.
        """
        return (self.each(outputs, targets) * weights).sum() / weights.sum().clamp_min(1e-12)

    @abstractmethod
    def mean(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """The weighted mean loss of predictions.

        Args:
            predicted: (N, K) float; logits for classes and units.
            targets: (N, L) float, NaN without a label.
        """

    @abstractmethod
    def selection(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """The loss that a probe is chosen by.

        Args:
            predicted: (N, K) float; logits for classes and units.
            targets: (N, L) float, NaN without a label.
        """


@dataclass(frozen=True, slots=True)
class SquaredError(Loss):
    """The squared error of points, angles and values; probes are chosen by it too."""

    def weights(self, targets: np.ndarray) -> np.ndarray:
        """1 for each label."""
        return np.asarray(np.isfinite(targets), dtype=np.float64)

    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Loss.each`."""
        return (outputs - targets).square()

    def mean(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """See `Loss.mean`."""
        known = np.isfinite(targets)
        return float(np.square(predicted - np.where(known, targets, 0))[known].mean())

    def selection(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """See `Loss.selection`."""
        return self.mean(predicted, targets)


@dataclass(frozen=True, slots=True)
class CrossEntropy(Loss):
    """The cross-entropy of classes, weighted by inverse frequency; probes are chosen by 1 minus the mean AUC."""

    num_classes: int
    """C, the number of classes, which is the number of outputs."""
    headline: Sequence[int] | None = None
    """Indices of the classes whose AUC counts; None: all."""

    def num_outputs(self, targets: np.ndarray) -> int:
        """C; the targets are (N, 1) class numbers."""
        return self.num_classes

    def weights(self, targets: np.ndarray) -> np.ndarray:
        """See `Loss.weights`."""
        known = np.isfinite(targets[:, 0])
        classes = targets[known, 0].astype(int)
        weights = np.zeros(targets.shape)
        weights[known, 0] = class_weights(classes, self.num_classes)[classes]
        return weights

    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Loss.each`."""
        from torch.nn import functional as F

        return F.cross_entropy(outputs, targets[:, 0].long(), reduction="none")[:, None]

    def mean(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """See `Loss.mean`."""
        known = np.isfinite(targets[:, 0])
        classes = targets[known, 0].astype(int)
        weights = class_weights(classes, self.num_classes)[classes]
        rows = log_softmax(predicted[known], axis=1)[np.arange(len(classes)), classes]
        return float(-(weights * rows).sum() / weights.sum())

    def selection(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """See `Loss.selection`."""
        lost = _lost_area(predicted, one_hot(targets, self.num_classes), self.headline)
        return self.mean(predicted, targets) if lost is None else lost


@dataclass(frozen=True, slots=True)
class BinaryCrossEntropy(Loss):
    """The binary cross-entropy of units, weighted by inverse frequency; probes are chosen by 1 minus the mean AUC."""

    headline: Sequence[int] | None = None
    """Indices of the units whose AUC counts; None: all."""

    def weights(self, targets: np.ndarray) -> np.ndarray:
        """See `Loss.weights`."""
        return unit_weights(targets)

    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Loss.each`."""
        from torch.nn import functional as F

        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def mean(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """See `Loss.mean`."""
        weights = unit_weights(targets)
        rows = np.logaddexp(0, predicted) - np.where(np.isfinite(targets), targets, 0) * predicted
        return float((weights * rows).sum() / weights.sum())

    def selection(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """See `Loss.selection`."""
        lost = _lost_area(predicted, targets, self.headline)
        return self.mean(predicted, targets) if lost is None else lost


def _lost_area(predicted: np.ndarray, truth: np.ndarray, headline: Sequence[int] | None) -> float | None:
    """1 minus the mean AUC; None if no AUC is defined (only one label occurs): any loss that falls with a better fit
    will do then.

    Args:
        predicted: (N, K) logits.
        truth: (N, K) 1 or 0, NaN without a label.
        headline: indices of the columns that count; None: all.
    """
    ones = np.ones((1, len(predicted)))
    areas = [auc(predicted[:, k], truth[:, k])(ones)[0] for k in headline or range(predicted.shape[1])]
    return 1 - float(np.nanmean(areas)) / 100 if np.isfinite(areas).any() else None


def one_hot(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """(N, 1) class numbers to (N, C) 1 or 0, NaN without a label."""
    return np.where(np.isfinite(classes), classes == np.arange(num_classes), np.nan)


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
