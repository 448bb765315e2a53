"""The index of a store's tracks: one entry per track, as NumPy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import StoreError
from fabnet.store.schema import check_split

__all__ = [
    "COLUMNS",
    "TRACK_SCHEMA",
    "TrackIndex",
    "digest_of",
    "find_tracks",
    "index_of",
    "people_of",
    "sort_order",
    "spans_of",
]

COLUMNS = ("identity", "video", "track", "split")
TRACK_SCHEMA = pa.schema([*((name, pa.string()) for name in COLUMNS), ("start", pa.int64()), ("length", pa.int64())])
"""Table of tracks: names, first row and number of rows of each."""


@dataclass(frozen=True, slots=True)
class TrackIndex:
    """The tracks of a store, sorted by identity, video and track, so that the order of rows does not matter."""

    starts: np.ndarray
    """(N,) int64: first row of each track; its rows are contiguous and in time order."""
    lengths: np.ndarray
    """(N,) int64: number of rows of each track."""
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
        """Total number of rows of these tracks."""
        return int(self.lengths.sum())

    def select(self, split: str | None = None, min_frames: int = 1) -> TrackIndex:
        """Keep the tracks of one split (None: all) that have at least `min_frames` rows.

        Raises:
            InputError: there is no such split.
        """
        check_split(split)
        chosen = self.lengths >= min_frames
        if split is not None:
            chosen &= self.split == split
        return self.at(np.flatnonzero(chosen))

    def at(self, indices: np.ndarray) -> TrackIndex:
        """Keep the tracks at these indices, in this order."""
        return TrackIndex(
            self.starts[indices], self.lengths[indices], self.split[indices],
            self.identity[indices], self.video[indices], self.track[indices],
        )  # fmt: skip


def find_tracks(batches: Iterable[pa.RecordBatch], first_row: int = 0) -> pa.Table:
    """Find the tracks in consecutive rows of a store.

    Args:
        batches: the columns identity, video, track and split of these rows, in order.
        first_row: number of the first row, where a track begins.

    Returns:
        A table of `TRACK_SCHEMA`, in the order of the rows.
    """
    starts: list[np.ndarray] = []
    names: list[pa.RecordBatch] = []
    end, last = first_row, None
    for batch in batches:
        if not batch.num_rows:
            continue
        first = _changes(batch, last)
        starts.append(first + end)
        names.append(batch.select(COLUMNS).take(pa.array(first)))
        end += batch.num_rows
        last = batch.slice(batch.num_rows - 1)
    if not names:
        return TRACK_SCHEMA.empty_table()
    begins = np.concatenate(starts)
    columns = [*pa.Table.from_batches(names).columns, pa.array(begins), pa.array(np.diff(np.append(begins, end)))]
    return pa.Table.from_arrays(columns, schema=TRACK_SCHEMA)


def index_of(path: Path, tracks: pa.Table) -> TrackIndex:
    """Sort tracks into an index.

    Args:
        path: path of the store, for messages.
        tracks: table of `TRACK_SCHEMA`.

    Raises:
        StoreError: the rows of a track are not contiguous.
    """
    tracks = tracks.take(sort_order(tracks))
    starts, lengths = spans_of(tracks)
    identity, video, track, split = (np.array(tracks.column(name).to_pylist(), dtype=np.str_) for name in COLUMNS)
    index = TrackIndex(starts, lengths, split, identity, video, track)
    _check_contiguous(path, index)
    return index


def sort_order(tracks: pa.Table) -> pa.Array:
    """Indices that sort a table of tracks by identity, video and track; what a run draws depends on this order."""
    return pc.sort_indices(tracks, sort_keys=[(name, "ascending") for name in ("identity", "video", "track")])


def spans_of(tracks: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """The first row and the number of rows of each track of a table, (N,) int64 each."""
    starts, lengths = (np.asarray(tracks.column(name).to_numpy(), np.int64) for name in ("start", "length"))
    return starts, lengths


def people_of(tracks: pa.Table) -> np.ndarray:
    """(P + 1,) int64: first track of each of P people in a table sorted by identity, then the number of tracks."""
    identity = tracks.column("identity").combine_chunks()
    differs = pc.not_equal(identity.slice(1), identity.slice(0, max(len(identity) - 1, 0)))
    begins = np.flatnonzero(differs.to_numpy(zero_copy_only=False)) + 1
    return np.concatenate([[0], begins, [len(identity)]]).astype(np.int64)


def digest_of(tracks: pa.Table) -> str:
    """A short digest of a table's train and val tracks: their names, lengths and order."""
    tracks = tracks.filter(pc.not_equal(tracks.column("split"), "test"))
    digest = hashlib.sha256()
    for name in COLUMNS:  # in bulk, and independent of the table's chunks
        chunks = [chunk for chunk in tracks.column(name).chunks if len(chunk)]
        for chunk in chunks:
            digest.update(np.asarray(pc.binary_length(chunk).fill_null(0), np.int32).tobytes())
        for chunk in chunks:
            digest.update(_text_of(chunk))
    digest.update(np.asarray(tracks.column("length"), np.int64).tobytes())
    return digest.hexdigest()[:16]


def _text_of(array: pa.StringArray) -> bytes:
    """All texts of an array, concatenated."""
    _, offsets, text = array.buffers()
    first, last = np.frombuffer(offsets, np.int32)[[array.offset, array.offset + len(array)]]
    return b"" if text is None else bytes(memoryview(text)[first:last])


def _changes(batch: pa.RecordBatch, last: pa.RecordBatch | None) -> np.ndarray:
    """Indices in a batch at which a new track begins; `last` is the row before the batch."""
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
