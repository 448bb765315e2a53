"""Matrices of features that may be larger than memory: they lie in a mapped file and are read in batches.

Letters: N rows, D columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["Matrix", "Selected", "batches", "moments"]

BATCH_BYTES = 2**25
"""Upper bound of the size of a batch in float64, unless a single row is larger."""


class Selected:
    """Some rows of an array, which are read when they are indexed, so that no copy of all of them is made.

    Args:
        source: (N, ...) array, or a selection of one.
        places: (n,) indices or (N,) bool, the rows.
    """

    def __init__(self, source: Matrix, places: np.ndarray) -> None:
        if places.dtype == bool:
            places = np.flatnonzero(places)
        self._source: np.ndarray = source._source if isinstance(source, Selected) else source
        self._places: np.ndarray = source._places[places] if isinstance(source, Selected) else places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        """A copy of some of the rows."""
        return np.asarray(self._source[self._places[places]])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an array of these rows."""
        return (len(self._places), *self._source.shape[1:])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The array's dtype."""
        return self._source.dtype


Matrix = np.ndarray | Selected
"""(N, D) features, or (N, ...) of anything."""


def batches(matrix: Matrix) -> Iterator[tuple[slice, np.ndarray]]:
    """Read all rows in order.

    Args:
        matrix: (N, D) float.

    Yields:
        A slice of the rows, and a copy of them in float64.
    """
    count = max(1, BATCH_BYTES // (8 * max(1, matrix.shape[1])))
    for first in range(0, len(matrix), count):
        part = slice(first, min(first + count, len(matrix)))
        yield part, np.array(matrix[part], dtype=np.float64)


def moments(matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (over N) of each column.

    Args:
        matrix: (N, D) float, N 1 or more.

    Returns:
        (D,) and (D,) float64.
    """
    mean = sum(rows.sum(axis=0) for _, rows in batches(matrix)) / len(matrix)
    variance = sum(np.square(rows - mean).sum(axis=0) for _, rows in batches(matrix)) / len(matrix)
    return np.asarray(mean), np.asarray(variance)
