"""Where each track of a store lies: one entry a track, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import InputError, StoreError
from fabnet.tracks.schema import SPLITS

__all__ = ["TrackIndex", "build_index"]

COLUMNS = ("identity", "video", "track", "split")


@dataclass(frozen=True, slots=True)
class TrackIndex:
    """The tracks of a store, sorted by identity, video and track: the order does not depend on which came first."""

    starts: np.ndarray
    """(N,) int64: the first row of each track; its rows are contiguous and in time order."""
    lengths: np.ndarray
    """(N,) int64: how many rows it has."""
    split: np.ndarray
    """(N,) str: train, val or test."""
    identity: np.ndarray
    """(N,) str."""
    video: np.ndarray
    """(N,) str."""
    track: np.ndarray
    """(N,) str."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_rows(self) -> int:
        """How many rows these tracks have in all."""
        return int(self.lengths.sum())

    def select(self, split: str | None = None, min_frames: int = 1) -> TrackIndex:
        """Keep the tracks of one split (None: all) that have at least `min_frames` rows.

        Raises:
            InputError: there is no such split.
        """
        if split is not None and split not in SPLITS:
            raise InputError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
        chosen = self.lengths >= min_frames
        if split is not None:
            chosen &= self.split == split
        return self.at(np.flatnonzero(chosen))

    def at(self, places: np.ndarray) -> TrackIndex:
        """Keep the tracks at these places, in this order."""
        return TrackIndex(
            self.starts[places], self.lengths[places], self.split[places],
            self.identity[places], self.video[places], self.track[places],
        )  # fmt: skip


def build_index(path: Path, batches: Iterable[pa.RecordBatch]) -> TrackIndex:
    """Find the tracks in a store's rows.

    Args:
        path: of the store, for messages.
        batches: the columns identity, video, track and split of all rows, in order.

    Raises:
        StoreError: rows of a track are not contiguous.
    """
    starts: list[np.ndarray] = []
    names: list[pa.RecordBatch] = []
    num_rows, last = 0, None
    for batch in batches:
        if not batch.num_rows:
            continue
        first = _changes(batch, last)
        starts.append(first + num_rows)
        names.append(batch.take(pa.array(first)))
        num_rows += batch.num_rows
        last = batch.slice(batch.num_rows - 1)
    if not names:
        empty = np.empty(0, np.int64)
        text = np.empty(0, dtype=np.str_)
        return TrackIndex(empty, empty, text, text, text, text)
    table = pa.Table.from_batches(names)
    keys = {name: np.array(table.column(name).to_pylist(), dtype=np.str_) for name in COLUMNS}
    begins = np.concatenate(starts)
    lengths = np.diff(np.append(begins, num_rows))
    order = np.lexsort((keys["track"], keys["video"], keys["identity"]))
    index = TrackIndex(begins, lengths, keys["split"], keys["identity"], keys["video"], keys["track"]).at(order)
    _check_contiguous(path, index)
    return index


def _changes(batch: pa.RecordBatch, last: pa.RecordBatch | None) -> np.ndarray:
    """Places in a batch where another track begins than in the row before (`last`: the row before the batch)."""
    changed = np.zeros(batch.num_rows, bool)
    changed[0] = last is None
    for name in COLUMNS:
        column = batch.column(name)
        changed[1:] |= pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)).to_numpy(zero_copy_only=False)
        if last is not None:
            changed[0] |= column[0].as_py() != last.column(name)[0].as_py()
    return np.flatnonzero(changed)


def _check_contiguous(path: Path, index: TrackIndex) -> None:
    same = (index.video[1:] == index.video[:-1]) & (index.track[1:] == index.track[:-1])
    same &= index.identity[1:] == index.identity[:-1]
    if same.any():
        where = int(np.flatnonzero(same)[0])
        raise StoreError(
            f"{path} is inconsistent: the rows of track {index.track[where]} of video {index.video[where]} are not "
            "contiguous; make the store again"
        )
