"""Some of a store's rows: those of a split, or a random sample, found without keeping a number per row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fabnet.errors import InputError
from fabnet.store.track_store import TrackStore

__all__ = ["Chosen", "ChosenRows"]


class Chosen(NamedTuple):
    """Which rows of a store are meant."""

    split: str | None
    """train, val or test; None: all."""
    sample: int | None
    """Rows drawn at random from these; None: all."""
    seed: int
    """Seed of the draw."""


class ChosenRows:
    """The numbers of the chosen rows, ascending.

    Args:
        store: the store.
        chosen: which of its rows.

    Raises:
        InputError: the store has no rows in the split.
        StoreError: the store is corrupt.
    """

    def __init__(self, store: TrackStore, chosen: Chosen) -> None:
        starts, lengths = store.spans(chosen.split, min_frames=1)
        if not len(starts):
            where = "no rows" if chosen.split is None else f"no rows in {chosen.split}"
            raise InputError(f"{store.path} has {where} to embed")
        order = np.argsort(starts)
        self._starts, self._ends = starts[order], np.cumsum(lengths[order])
        self._firsts = self._ends - lengths[order]
        total = int(self._ends[-1])
        self._drawn: np.ndarray | None = None
        if chosen.sample is not None and chosen.sample < total:
            generator = np.random.default_rng(chosen.seed)
            self._drawn = np.sort(generator.choice(total, chosen.sample, replace=False))
        self._count = total if self._drawn is None else len(self._drawn)

    def __len__(self) -> int:
        return self._count

    def between(self, first: int, last: int) -> np.ndarray:
        """The chosen rows from index `first` among them up to, but without, index `last`.

        Returns:
            (last - first,) int64 row numbers.
        """
        return self.at(np.arange(first, last))

    def at(self, indices: np.ndarray) -> np.ndarray:
        """The chosen rows at (K,) int64 indices among them: (K,) int64 row numbers."""
        if self._drawn is not None:
            indices = self._drawn[indices]
        tracks = np.searchsorted(self._ends, indices, side="right")
        return np.asarray(self._starts[tracks] + indices - self._firsts[tracks])
