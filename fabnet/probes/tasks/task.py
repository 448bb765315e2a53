"""The base of every kind of task.

Letters: N faces, K columns, M faces that are compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from fabnet.encoders.readings import READINGS
from fabnet.probes.linear import Probe, RidgeProbe
from fabnet.probes.measures import Measure
from fabnet.probes.metrics import Figure
from fabnet.probes.tasks.losses import Loss, SquaredError

__all__ = ["PENALTIES", "Learned", "Task"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Penalties (or, for logistic regression, their inverses) to choose from."""


class Learned(NamedTuple):
    """A task's targets as a probe learns them.

    Attributes:
        targets: (N, K) float64, NaN without a label.
        back: function from (N, K) predictions for the same faces to the task's units.
        centre: (K,) mean subtracted from values; zeros for other kinds.
        scale: (K,) standard deviation that values are divided by; ones for other kinds.
    """

    targets: np.ndarray
    back: Callable[[np.ndarray], np.ndarray]
    centre: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task(ABC):
    """One question about every face; each kind of task is a subclass.

    Attributes:
        kind: name of the kind, a key of `READINGS`.
        closed_form: name of its closed-form probe.
        name: name of the task: "landmarks68", "pose", "smile".
        targets: (N, K) float64 in the kind's units, NaN where a face has no label.
        columns: names of the angles, classes, units or values; empty for points.
        headline: columns whose mean is the task's headline figure; empty: all.
    """

    kind: ClassVar[str]
    closed_form: ClassVar[str] = "ridge"

    name: str
    targets: np.ndarray
    columns: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()

    @property
    def has_label(self) -> np.ndarray:
        """(N,) bool, the faces with a label."""
        return np.asarray(np.isfinite(self.targets).any(axis=1))

    @property
    def num_outputs(self) -> int:
        """K, the number of outputs of a probe per face."""
        return int(self.targets.shape[1])

    @property
    def num_points(self) -> int:
        """Number of points per face; 0 for other kinds."""
        return 0

    @property
    def can_mirror(self) -> bool:
        """Whether a mirrored face has the same label."""
        return False

    @property
    def loss(self) -> Loss:
        """The loss of its probes and networks."""
        return SquaredError()

    def candidates(self) -> dict[str, Callable[[], Probe]]:
        """The closed-form probes to choose from, each under its hyper-parameter in words."""
        return {f"penalty {each:g}": partial(RidgeProbe, each) for each in PENALTIES}

    @property
    def output_names(self) -> tuple[str, ...]:
        """A name per output."""
        return self.columns

    def fields(self) -> list[pa.Field]:
        """The columns of an embeddings dataset that hold predictions of the task."""
        return READINGS[self.kind].fields(self.name, self.columns)

    def learned(self, seen_px: np.ndarray, training: np.ndarray) -> Learned:
        """The targets as a probe learns them, and the inverse map.

        Args:
            seen_px: (N, 4) the part of each image that the network sees.
            training: indices of the faces that determine the centre and scale of values.
        """
        ones = np.ones(self.targets.shape[1])
        return Learned(self.targets, lambda made: made, 0 * ones, ones)

    def commonness(self, training: np.ndarray) -> np.ndarray:
        """(K,) or (1,) offsets that turn logits learned with balanced weights into those of probabilities.

        Args:
            training: indices of the training faces.
        """
        return np.zeros(1)

    @abstractmethod
    def figures(self, predicted: np.ndarray, true: np.ndarray) -> tuple[Figure, ...]:
        """Score predictions.

        Args:
            predicted: (N, K) in the task's units; logits for classes and units.
            true: (N, K) the targets of the same faces.

        Returns:
            The figures, one of them the headline.
        """

    @abstractmethod
    def measures(self, targets: np.ndarray) -> list[Measure]:
        """The measures between two faces, for rankings.

        Args:
            targets: (M, K) of the faces that have a label.
        """
