"""Classes and units: labels that are predicted by logits and scored by the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from fabnet.probes.linear import LogisticProbe, Probe, SoftmaxProbe
from fabnet.probes.measures import Measure, precision_measures
from fabnet.probes.metrics import Figure, auc, mean_of, weighted_mean
from fabnet.probes.tasks.losses import BinaryCrossEntropy, CrossEntropy, Loss, one_hot
from fabnet.probes.tasks.task import PENALTIES, Task

__all__ = ["Classes", "Units"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Labels(Task):
    """The base of classes and units.

    Attributes:
        is_mirrorable: whether a mirrored face has the same label, as labels without left and right have.
    """

    closed_form: ClassVar[str] = "logistic"

    is_mirrorable: bool = False

    @property
    def can_mirror(self) -> bool:
        """Whether a mirrored face has the same label."""
        return self.is_mirrorable

    @property
    def headline_places(self) -> list[int] | None:
        """Indices of the columns in the task's headline figure; None: all."""
        return [self.columns.index(name) for name in self.headline] or None

    def has(self, targets: np.ndarray) -> np.ndarray:
        """(N, K) targets to (N, columns) 1 or 0, NaN without a label."""
        return targets

    def figures(self, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
        """The AUC of each column against the rest, and the mean over the headline's columns."""
        truth = self.has(true)
        areas = {name: auc(predicted[:, k], truth[:, k]) for k, name in enumerate(self.columns)}
        headline = self.headline or self.columns
        figures = [Figure("AUC, mean", mean_of([areas[name] for name in headline]), True)]
        if len(headline) < len(areas):
            figures.append(Figure("AUC, mean of all", mean_of(list(areas.values()))))
        return (*figures, *(Figure(f"AUC, {name}", of) for name, of in areas.items()))

    def measures(self, targets: np.ndarray) -> list[Measure]:
        """For each column, the per cent of faces that have it, with the faces that have it as queries."""
        return precision_measures(self.has(targets) == 1, self.columns, self.headline or self.columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classes(_Labels):
    """One of several classes; the targets are (N, 1) class numbers."""

    kind: ClassVar[str] = "classes"

    @property
    def num_outputs(self) -> int:
        """The number of classes."""
        return len(self.columns)

    @property
    def loss(self) -> Loss:
        """The cross-entropy."""
        return CrossEntropy(self.num_outputs, self.headline_places)

    def candidates(self) -> dict[str, Callable[[], Probe]]:
        """See `Task.candidates`."""
        return {f"C {each:g}": partial(SoftmaxProbe, self.num_outputs, each) for each in PENALTIES}

    def has(self, targets: np.ndarray) -> np.ndarray:
        """(N, 1) class numbers to (N, C) 1 or 0, NaN without a label."""
        return one_hot(targets, self.num_outputs)

    def figures(self, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
        """The AUC of each class, their mean, and the accuracy."""
        right = np.where(np.isfinite(true[:, 0]), predicted.argmax(axis=1) == true[:, 0], np.nan)
        return (*_Labels.figures(self, predicted, true), Figure("accuracy, %", weighted_mean(100 * right)))

    def commonness(self, training: np.ndarray) -> np.ndarray:
        """(C,) logarithm of each class's share."""
        targets = self.targets[training]
        count = np.array([(targets[:, 0] == number).sum() for number in range(len(self.columns))])
        return np.asarray(np.log(np.maximum(count, 1) / np.isfinite(targets[:, 0]).sum()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units(_Labels):
    """Units that are each present or absent; the targets are 1 or 0."""

    kind: ClassVar[str] = "units"

    @property
    def loss(self) -> Loss:
        """The binary cross-entropy of each unit."""
        return BinaryCrossEntropy(self.headline_places)

    def candidates(self) -> dict[str, Callable[[], Probe]]:
        """See `Task.candidates`."""
        return {f"C {each:g}": partial(LogisticProbe, each) for each in PENALTIES}

    def commonness(self, training: np.ndarray) -> np.ndarray:
        """(K,) logarithm of each unit's odds."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nanmean(self.targets[training], axis=0)
            odds = np.log(share / (1 - share))
        return np.where(np.isfinite(odds), odds, 0.0)
