"""Converts the outputs of linear probes to attributes: one reading per kind of task.

Letters: N faces, K outputs, P points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

__all__ = ["READINGS", "Panel", "Reading", "softmax"]

MAX_UNITS = 3
"""Upper bound of units for a task to be drawn over time."""
SMALLEST_SHARE = 0.1
"""Classes that never reach this probability are drawn as one."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, K) float logits to (N, K) probabilities of the same dtype, whose rows sum to 1; N may be 0.

    Written out, because reading faces must not need SciPy.
    """
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


class Panel(NamedTuple):
    """Curves over time that share an axis."""

    title: str
    """Title of the axis, with its unit."""
    curves: dict[str, np.ndarray]
    """(N,) values by name."""
    are_shares: bool = False
    """Whether they add up to one, and are stacked."""


class Reading(ABC):
    """The meaning of a probe's outputs, and the table columns that they are written to."""

    @abstractmethod
    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        """Convert outputs to the units of their columns.

        Args:
            outputs: (N, K) float64, in the units that the probe was fitted in.
            scale: (K,) or (1,) standard deviations of plain values.
            centre: (K,) or (1,) means of plain values.
            seen_px: (N, 4) box that the network saw of each image; None: points stay in [-1, 1] of that box.

        Returns:
            (N, K) float64.
        """

    @abstractmethod
    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        """Columns of an embeddings dataset for a task's predictions.

        Args:
            task: name of the task.
            columns: names of the predictions.
        """

    def columns(self, task: str, columns: Sequence[str], made: np.ndarray) -> dict[str, np.ndarray]:
        """Return predictions by the names of `fields`.

        Args:
            task: name of the task.
            columns: names of the predictions.
            made: (N, K) from `in_units`.

        Returns:
            (N,) each; points (N, P, 2); the most likely class as strings.
        """
        return dict(zip([field.name for field in self.fields(task, columns)], made.T, strict=True))

    def panel(self, task: str, columns: Sequence[str], made: np.ndarray) -> Panel | None:
        """Predictions of one face over time as curves.

        Args:
            task: name of the task.
            columns: names of what is predicted.
            made: (N, K) from `in_units`.

        Returns:
            The curves; None if they would say nothing to a reader.
        """
        return Panel(f"{task}, {self.words(columns)}", dict(zip(columns, made.T, strict=True)))

    def words(self, columns: Sequence[str]) -> str:
        """What the curves of a panel show."""
        return ", ".join(columns)

    def takes(self, num_columns: int) -> bool:
        """Whether a probe can have this number of columns."""
        return num_columns > 0


class _Points(Reading):
    """Points of the face in one column, `TASK_px`: a list x0, y0, x1, y1 ... in pixels of the image."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        if seen_px is None:
            return np.asarray(outputs * scale + centre)
        sides = seen_px[:, None, 2:] - seen_px[:, None, :2]
        return np.asarray(((_paired(outputs) + 1) / 2 * sides + seen_px[:, None, :2]).reshape(outputs.shape))

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return [pa.field(f"{task}_px", pa.list_(pa.float32(), len(columns)))]

    def columns(self, task: str, columns: Sequence[str], made: np.ndarray) -> dict[str, np.ndarray]:
        return {f"{task}_px": _paired(made)}

    def panel(self, task: str, columns: Sequence[str], made: np.ndarray) -> Panel | None:
        return None

    def takes(self, num_columns: int) -> bool:
        return num_columns > 0 and num_columns % 2 == 0


class _Angles(Reading):
    """Angles, fitted in radians, in columns `TASK_ANGLE_deg`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return np.asarray(np.degrees(outputs))

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return [pa.field(f"{task}_{name}_deg", pa.float32()) for name in columns]

    def words(self, columns: Sequence[str]) -> str:
        return "degrees"


class _Classes(Reading):
    """One of several classes: the most likely one in `TASK`, and the probability of each in `TASK_CLASS`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return softmax(outputs)

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return [pa.field(task, pa.string()), *_plain(task, columns)]

    def columns(self, task: str, columns: Sequence[str], made: np.ndarray) -> dict[str, np.ndarray]:
        likeliest = {task: np.array(columns)[made.argmax(axis=1)]}
        return likeliest | {field.name: each for field, each in zip(_plain(task, columns), made.T, strict=True)}

    def panel(self, task: str, columns: Sequence[str], made: np.ndarray) -> Panel | None:
        shown = {name: each for name, each in zip(columns, made.T, strict=True) if each.max() >= SMALLEST_SHARE}
        rest = {"others": np.ones(len(made)) - sum(shown.values())} if len(shown) < len(columns) else {}
        return Panel(f"{task}, {self.words(columns)}", shown | rest, are_shares=True)

    def words(self, columns: Sequence[str]) -> str:
        return "probabilities"


class _Units(Reading):
    """Units that are each present or absent: the probability of each in `TASK_NAME`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return np.asarray(0.5 * (1 + np.tanh(outputs / 2)))

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return _plain(task, columns)

    def panel(self, task: str, columns: Sequence[str], made: np.ndarray) -> Panel | None:
        return super().panel(task, columns, made) if len(columns) <= MAX_UNITS else None

    def words(self, columns: Sequence[str]) -> str:
        return "probability"


class _Values(Reading):
    """Plain values, fitted in standard deviations, in columns `TASK_NAME`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return np.asarray(outputs * scale + centre)

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return _plain(task, columns)


def _plain(task: str, columns: Sequence[str]) -> list[pa.Field]:
    """One float column per name: `TASK_NAME`, or only the name if it equals the task's."""
    return [pa.field(name if name == task else f"{task}_{name}", pa.float32()) for name in columns]


def _paired(numbers: np.ndarray) -> np.ndarray:
    """(N, 2 P) to (N, P, 2), also for N = 0."""
    return numbers.reshape(len(numbers), numbers.shape[1] // 2, 2)


READINGS: dict[str, Reading] = {
    "points": _Points(),
    "angles": _Angles(),
    "classes": _Classes(),
    "units": _Units(),
    "values": _Values(),
}
"""Readings by the kind of task in a saved probe."""
