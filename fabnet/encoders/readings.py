"""How the outputs of a linear map become attributes: one reading per kind of task.

Letters: N faces, K outputs, P points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

__all__ = ["READINGS", "Reading"]


class Reading(ABC):
    """What the outputs of a probe mean, and the columns of a table that they go to."""

    @abstractmethod
    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        """Bring outputs into the units of their columns.

        Args:
            outputs: (N, K) float64, as a probe learned them.
            scale: (K,) or (1,) standard deviations that plain values were learned in.
            centre: (K,) or (1,) means of plain values.
            seen_px: (N, 4) the part of each image that the network saw; None: points stay in [-1, 1] of it.

        Returns:
            (N, K) float64.
        """

    @abstractmethod
    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        """The columns of an embeddings dataset that a task's predictions go to.

        Args:
            task: its name.
            columns: names of what is predicted.
        """

    def columns(self, task: str, columns: Sequence[str], made: np.ndarray) -> dict[str, np.ndarray]:
        """Put predictions under the names of `fields`.

        Args:
            task: its name.
            columns: names of what is predicted.
            made: (N, K) from `in_units`.

        Returns:
            (N,) each; points (N, P, 2); the likeliest class as strings.
        """
        return dict(zip([field.name for field in self.fields(task, columns)], made.T, strict=True))

    def takes(self, num_columns: int) -> bool:
        """Whether there can be a probe with so many columns."""
        return num_columns > 0


class _Points(Reading):
    """Points of the face: one column `TASK_px`, a list x0, y0, x1, y1 ... in pixels of the image."""

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

    def takes(self, num_columns: int) -> bool:
        return num_columns > 0 and num_columns % 2 == 0


class _Angles(Reading):
    """Angles, learned in radians: `TASK_ANGLE_deg`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return np.asarray(np.degrees(outputs))

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return [pa.field(f"{task}_{name}_deg", pa.float32()) for name in columns]


class _Classes(Reading):
    """One of several classes: `TASK`, the likeliest, and the probability of each, `TASK_CLASS`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return [pa.field(task, pa.string()), *_plain(task, columns)]

    def columns(self, task: str, columns: Sequence[str], made: np.ndarray) -> dict[str, np.ndarray]:
        likeliest = {task: np.array(columns)[made.argmax(axis=1)]}
        return likeliest | {field.name: each for field, each in zip(_plain(task, columns), made.T, strict=True)}


class _Units(Reading):
    """Units that are each there or not: the probability of each, `TASK_NAME`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return np.asarray(0.5 * (1 + np.tanh(outputs / 2)))

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return _plain(task, columns)


class _Values(Reading):
    """Plain values, learned in standard deviations: `TASK_NAME`."""

    def in_units(
        self, outputs: np.ndarray, *, scale: np.ndarray, centre: np.ndarray, seen_px: np.ndarray | None
    ) -> np.ndarray:
        return np.asarray(outputs * scale + centre)

    def fields(self, task: str, columns: Sequence[str]) -> list[pa.Field]:
        return _plain(task, columns)


def _plain(task: str, columns: Sequence[str]) -> list[pa.Field]:
    """A number per column: `TASK_NAME`, or only the name where the two are the same."""
    return [pa.field(name if name == task else f"{task}_{name}", pa.float32()) for name in columns]


def _paired(numbers: np.ndarray) -> np.ndarray:
    """(N, 2 P) to (N, P, 2), for no face too."""
    return numbers.reshape(len(numbers), numbers.shape[1] // 2, 2)


READINGS: dict[str, Reading] = {
    "points": _Points(),
    "angles": _Angles(),
    "classes": _Classes(),
    "units": _Units(),
    "values": _Values(),
}
"""The readings by the kind of task that a saved probe names."""
