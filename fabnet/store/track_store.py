"""The track store: a Lance dataset with one row per face crop; the rows of a track are contiguous.

Each input is added in one atomic commit, and compaction keeps the order of rows, so row numbers stay valid until people
are removed: see `fabnet.files.lance_reading`. Lance is not safe to fork: start worker processes with `spawn`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import OutputError, StoreError
from fabnet.files.lance import has_dataset, lance_reads, lance_writes, merge_files, open_dataset, sweep, write_rows
from fabnet.files.lance_reading import Reader, new_generation
from fabnet.files.places import as_place, is_remote, make_folder
from fabnet.store.index import COLUMNS, TrackIndex, digest_of, find_tracks, index_of, people_of, sort_order, spans_of
from fabnet.store.ledger import LedgerEntry, clear_pending, note_pending, read_ledger, read_pending, write_ledger
from fabnet.store.notebook import html_of, text_of
from fabnet.store.schema import ROW_SCHEMA, check_columns, check_split, check_version, metadata_of
from fabnet.store.side_table import OF_ROWS, add_tracks, forget_tracks, known_rows, read_tracks

__all__ = ["TrackStore", "create_store", "is_store", "open_store"]

MAX_FRAGMENTS = 32
MAX_FRAGMENTS_WHILE_WRITING = 256
"""Number of fragments above which they are merged during a run. Each commit lists all fragments, so the history would
otherwise grow with the square of the number of videos."""
BATCH_ROWS = 256
STREAMED = {"batch_size": BATCH_ROWS, "batch_readahead": 2, "fragment_readahead": 1, "io_buffer_size": 2**25}
"""Options of scans; by default Lance would buffer up to 2 GiB."""


class TrackStore:
    """An existing store, from `open_store`. It can be pickled: the other process opens it at its first read.

    Every read raises a `RewrittenError` if the store was rewritten since it was opened, so that old row numbers are
    never used on new rows.

    Args:
        reader: reader of its rows.
        metadata: metadata of the store.
    """

    def __init__(self, reader: Reader, metadata: dict[str, str]) -> None:
        self.path = reader.path
        self.metadata = dict(metadata)
        self._reader = reader
        self._noted_rows: int | None = None

    def __repr__(self) -> str:
        return text_of(self.path, lambda: self.num_rows)

    def _repr_html_(self) -> str:
        return html_of(self.path, lambda: self.index(min_frames=1), self.read_images)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_noted_rows": None}

    @property
    def crop(self) -> dict[str, Any]:
        """The crop specification, as plain JSON values."""
        return dict(json.loads(self.metadata.get("fabnet.crop", "{}")))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the command that made the store."""
        return dict(json.loads(self.metadata.get("fabnet.settings", "{}")))

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self._reader.read(lambda dataset: dataset.count_rows()))

    @property
    def generation(self) -> str:
        """The name of its rows' numbering, to compare with the same store opened elsewhere."""
        return self._reader.generation

    @property
    def changed_at(self) -> datetime:
        """See `Reader.changed_at`."""
        return self._reader.changed_at

    def refresh(self) -> None:
        """Show rows that were added since the store was opened; a `StoreError` if it was deleted or rewritten."""
        self._reader.reopen()

    def index(self, split: str | None = None, min_frames: int = 2) -> TrackIndex:
        """Find the tracks of a split.

        Args:
            split: train, val or test; None: all.
            min_frames: shorter tracks are left out.

        Returns:
            One entry per track, sorted by identity, video and track.

        Raises:
            InputError: there is no such split.
            StoreError: the store is corrupt.
        """
        with self._reading():
            index = index_of(self.path, self._tracks())
        return index.select(split, min_frames)

    def spans(self, split: str | None = None, min_frames: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """Find the rows of the tracks of a split, in the order of `index`, without keeping names in memory.

        Args:
            split: train, val or test; None: all.
            min_frames: shorter tracks are left out.

        Returns:
            (N,) int64 first row of each track, and (N,) int64 number of its rows.

        Raises:
            InputError: there is no such split.
            StoreError: the store is corrupt.
        """
        return spans_of(self._sorted_tracks(split, min_frames, ["start", "length"]))

    def people(self, split: str | None = None, min_frames: int = 2) -> np.ndarray:
        """Find the first track of each person among those that `spans` gives.

        Returns:
            (P + 1,) int64 index of the first track of each of P people, then the number of tracks.

        Raises:
            InputError: there is no such split.
            StoreError: the store is corrupt.
        """
        return people_of(self._sorted_tracks(split, min_frames, ["identity"]))

    def _sorted_tracks(self, split: str | None, min_frames: int, columns: list[str]) -> pa.Table:
        check_split(split)
        with self._reading():
            tracks = self._tracks()
            chosen = pc.greater_equal(tracks.column("length"), min_frames)
            if split is not None:
                chosen = pc.and_(chosen, pc.equal(tracks.column("split"), split))
            tracks = tracks.filter(chosen)
            return tracks.select(columns).take(sort_order(tracks))

    def digest(self) -> str:
        """A short digest of the tracks that a run trains on and validates with, independent of the store's path.

        Raises:
            StoreError: the store is corrupt.
        """
        with self._reading():
            return digest_of(self._tracks())

    def _tracks(self) -> pa.Table:
        """All tracks, in the order of their rows."""
        num_rows = self.num_rows
        noted = read_tracks(self.path, generation=self.generation)
        count, known = known_rows(noted, num_rows)
        if known == num_rows:
            return noted.slice(0, count)
        return pa.concat_tables([noted.slice(0, count), self._tracks_from(known)])

    def _tracks_from(self, row: int) -> pa.Table:
        """The tracks from a row on, read from the rows."""
        with self._reading():
            return find_tracks(self._scan(COLUMNS, first=row), row)

    def note_tracks(self) -> None:
        """Add the tracks of new rows to the table of tracks. Only the one writing process may call this.

        Raises:
            OutputError: the disk is full, or writing there is not allowed.
        """
        num_rows = self.num_rows
        if self._noted_rows is None:
            noted = read_tracks(self.path, generation=self.generation, columns=["start", "length"])
            count, self._noted_rows = known_rows(noted, num_rows)
            if count < max(len(noted), 1):  # the table is missing, corrupt, or describes other rows
                forget_tracks(self.path)
                self._noted_rows = 0
        if self._noted_rows < num_rows:
            found = self._tracks_from(self._noted_rows)
            add_tracks(self.path, found.replace_schema_metadata({OF_ROWS: self.generation}))
            self._noted_rows = num_rows

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        """Read the JPEG bytes of rows, in the order given; a row may occur twice."""
        return list(self.read_rows(rows, ["image"]).column("image").to_pylist())

    def read_rows(self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """Read rows, in the order given.

        Args:
            rows: row numbers, 0 .. num_rows - 1; a row may occur twice.
            columns: names of the columns to read; None: all.

        Raises:
            StoreError: a row or a column does not exist, or the store is corrupt.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        unique, indices = np.unique(wanted, return_inverse=True)
        if len(unique) and (unique[0] < 0 or unique[-1] >= self.num_rows):
            raise StoreError(f"{self.path} has rows 0 to {self.num_rows - 1}; asked for {unique[0]} to {unique[-1]}")
        names = list(ROW_SCHEMA.names if columns is None else columns)
        table = self._reader.read(lambda dataset: dataset.take(unique.tolist(), columns=names))
        return table.take(pa.array(indices.reshape(-1)))

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        batch_rows: int = STREAMED["batch_size"],
        split: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read all rows in order, `batch_rows` at a time; memory does not grow with the store.

        Args:
            columns: names of the columns to read; None: all.
            batch_rows: maximum number of rows per batch.
            split: train, val or test, to read only its rows; None: all.
        """
        filter_of: dict[str, Any] = {"filter": f"split = '{split}'"} if split is not None else {}
        yield from self._scan(columns, batch_size=batch_rows, **filter_of)

    def _scan(self, columns: Sequence[str] | None, *, first: int = 0, **options: Any) -> Iterator[pa.RecordBatch]:
        names = None if columns is None else list(columns)

        def start(dataset: Any, **offset: int) -> Iterator[pa.RecordBatch]:
            batches: Iterator[pa.RecordBatch] = dataset.to_batches(
                columns=names, scan_in_order=True, **(STREAMED | options | offset)
            )
            return batches

        yield from self._reader.scan(start, offset=first)

    def ledger(self) -> dict[str, LedgerEntry]:
        """Read the outcome of every input, by video name."""
        return read_ledger(self.path)

    def append(self, batches: Iterable[pa.RecordBatch], entries: Sequence[LedgerEntry]) -> None:
        """Add the rows of whole inputs in one commit, then enter the inputs in the ledger.

        After a kill between the two, `recover` enters them later.

        Args:
            batches: rows of `ROW_SCHEMA`; the rows of a track are contiguous. Without rows, no commit is made.
            entries: outcomes of the inputs.

        Raises:
            OutputError: the disk is full, or writing there is not allowed; the store is unchanged.
        """
        rest = iter(batches)
        first = next(rest, None)
        if first is not None:
            note_pending(self.path, entries)
            self._append(first, rest)
        write_ledger(self.path, entries)
        if first is not None:
            clear_pending(self.path)
            self.note_tracks()

    def _append(self, first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> None:
        try:
            with lance_writes(self.path):
                self._reader.keep(write_rows(self.path, chain([first], rest), ROW_SCHEMA))
        except OutputError:
            self._sweep()
            raise
        if len(self._reader.dataset.get_fragments()) > MAX_FRAGMENTS_WHILE_WRITING:
            self.compact()

    def recover(self) -> list[LedgerEntry]:
        """Make the ledger and the table of tracks agree with the rows.

        Inputs whose rows were committed but that a kill kept out of the ledger are entered. Inputs whose rows were lost
        with an incomplete version are marked as failed, so that they are read again.

        Returns:
            The entries that were added to the ledger.
        """
        self.note_tracks()
        known = self.ledger()
        if sum(entry.rows for entry in known.values()) == self.num_rows:
            return []
        index = self.index(min_frames=1)
        pending = read_pending(self.path)
        added, videos = [], dict.fromkeys(index.video.tolist())
        for entry in known.values():
            if entry.rows and entry.video not in videos:
                lost = "its rows were lost with an incomplete version of the store"
                added.append(replace(entry, status="failed", reason=lost, tracks=0, rows=0))
        for video in videos:
            if video not in known or not known[video].rows:
                of_video = index.at(np.flatnonzero(index.video == video))
                added.append(pending.get(video) or self._found_entry(video, of_video))
        write_ledger(self.path, added)
        clear_pending(self.path)
        return added

    def _found_entry(self, video: str, tracks: TrackIndex) -> LedgerEntry:
        """The entry of an input of which only the rows are known."""
        source = self.read_rows(tracks.starts[:1], ["source"]).column("source")[0].as_py()
        reason = "its rows are complete; its ledger entry was lost"
        return LedgerEntry(video, source, "ok", reason, tracks=len(tracks), rows=tracks.num_rows)

    def compact(self) -> bool:
        """Merge small fragments if there are many; the rows keep their order.

        Returns:
            Whether fragments were merged. A full disk is not an error: the store stays unchanged.
        """
        if len(self._reader.reopen().get_fragments()) <= MAX_FRAGMENTS:
            return False
        try:
            with self._reading(), lance_writes(self.path):
                merge_files(self.path)
        except OutputError:
            self._sweep()
            return False
        self._sweep()
        return True

    def _sweep(self) -> None:
        """Remove files that no current row needs. Only the one writing process may call this.

        In an object store, other machines may be writing, so files that no version names are kept.
        """
        with suppress(OSError):  # the disk may be too full even for this, which does not touch the rows
            sweep(self.path, leftovers=not is_remote(self.path))
        self._reader.keep(None)

    def _reading(self) -> AbstractContextManager[None]:
        return lance_reads(f"the store {self.path}")


def _dataset(path: Path) -> Any:
    if not path.exists():
        raise StoreError(f"there is no store at {path}: make one with `fabnet track` or `fabnet import`")
    if not has_dataset(path):
        raise StoreError(f"{path} is not a track store (expected a Lance dataset): make one with `fabnet track`")
    return open_dataset(path)


def is_store(path: Path) -> bool:
    """Whether there is a Lance dataset at `path` that is marked as a track store, of any version."""
    if not has_dataset(path):
        return False
    with lance_reads(f"the store {path}"):
        metadata = _dataset(path).schema.metadata or {}
    return b"fabnet.store_version" in metadata


def open_store(path: Path | str) -> TrackStore:
    """Open a track store to read.

    Raises:
        StoreError: the store is missing, corrupt, not a track store, or of another store version.
    """
    path = as_place(path)
    reader = Reader(path, f"the store {path}", _dataset)
    dataset = reader.dataset
    metadata = check_version(path, dataset.schema.metadata)
    check_columns(path, dataset.schema)
    reader.keep(None)
    return TrackStore(reader, metadata)


def create_store(path: Path | str, *, crop: dict[str, Any], settings: dict[str, Any] | None = None) -> TrackStore:
    """Create an empty store.

    Args:
        path: folder without a store.
        crop: crop specification, as plain JSON values.
        settings: settings of the command, as plain JSON values; a repeated command must have the same.

    Raises:
        StoreError: `path` is a file or a store already.
        OutputError: writing there is not possible.
    """
    path = as_place(path)
    if path.is_file() or has_dataset(path):
        raise StoreError(f"{path} already exists: open it, or choose another place")
    schema = ROW_SCHEMA.with_metadata(metadata_of(crop, settings or {}) | new_generation())
    with lance_writes(path):
        make_folder(path)
        write_rows(path, schema.empty_table(), schema)
    return open_store(path)
