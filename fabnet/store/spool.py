"""Spools: files to which workers write rows as they come, and from which a store reads them track by track.

The faces of a video come in the order of time, with tracks interleaved, but a store needs the rows of a track together.
A spool keeps the rows on disk and only their positions in memory, so memory hardly grows with the length of the video.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from fabnet.files.limits import check_file
from fabnet.files.output import output_errors
from fabnet.files.places import workplace
from fabnet.store.schema import ROW_SCHEMA, Row, rows_to_batch
from fabnet.store.split import MOMENTS, moments_cut

__all__ = ["SpoolWriter", "drop_spool", "read_spool", "spool_folder", "spool_path", "spools"]

BATCH_ROWS = 32
OUT_ROWS = 256


def spool_folder(store: Path) -> Path:
    """The folder of a store's spools while a command adds to it; always on this machine."""
    return workplace(store) / "_spool"


def spool_path(store: Path, number: int) -> Path:
    """The spool of a task.

    Its name contains the process id, because after a kill a worker of the former run may still be removing its own.
    """
    return spool_folder(store) / f"{os.getpid()}-{number}.arrow"


@contextmanager
def spools(store: Path) -> Iterator[None]:
    """Remove the spools that a killed run left behind, and at the end of the block those of this run."""
    folder = spool_folder(store)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class SpoolWriter:
    """Writes the rows of one video to an Arrow file, in any order of tracks. Use it as a context manager.

    Args:
        path: the file to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self.tracks: dict[str, int] = {}
        """Number of rows by track."""
        self._rows: list[Row] = []
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = pa.OSFile(str(path), "wb")
            self._writer = pa.ipc.new_file(self._sink, ROW_SCHEMA)

    def __enter__(self) -> SpoolWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sink.close()
            self.path.unlink(missing_ok=True)
            return
        with output_errors(self.path):
            self._flush()
            self._writer.close()
            self._sink.close()

    def add(self, row: Row) -> None:
        """Add a row; the rows of one track must come in the order of time.

        Raises:
            OutputError: the disk is full.
        """
        self.num_rows += 1
        self.tracks[row.track] = self.tracks.get(row.track, 0) + 1
        self._rows.append(row)
        if len(self._rows) >= BATCH_ROWS:
            with output_errors(self.path):
                self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(rows_to_batch(self._rows))
            self._rows = []


def drop_spool(path: Path) -> None:
    """Remove a spool whose rows are in the store; if that fails, the next command removes it."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def read_spool(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a spool track by track, in the order of the tracks' first rows.

    Rows whose split is "moments" are split here: the first 75 % of a track's time goes to train, the rest becomes the
    track NAME-val in val (with further "-val" if another track has that name).

    Args:
        path: file that a `SpoolWriter` wrote.

    Yields:
        Batches of `ROW_SCHEMA`; the rows of a track are contiguous.
    """
    check_file(path, None)
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        positions, times, by_moments = _positions(reader)
        taken = set(positions)
        for name, of_track in positions.items():
            if name not in by_moments:
                yield from _batches(reader, of_track)
                continue
            cut = moments_cut(np.array(times[name]))
            for part, split, track in (
                (of_track[:cut], "train", name),
                (of_track[cut:], "val", _val_name(name, taken)),
            ):
                for batch in _batches(reader, part):
                    yield _renamed(batch, split, track)


def _positions(reader: pa.ipc.RecordBatchFileReader) -> tuple[dict[str, list[tuple[int, int]]], dict, set[str]]:
    """The positions (batch, row) of each track's rows, their times, and the tracks to split by moments."""
    positions: dict[str, list[tuple[int, int]]] = {}
    times: dict[str, list[float]] = {}
    by_moments = set()
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        columns = [batch.column(name).to_pylist() for name in ("track", "split", "time_s", "frame")]
        for row, (track, split, time_s, frame) in enumerate(zip(*columns, strict=True)):
            positions.setdefault(track, []).append((number, row))
            if split == MOMENTS:
                by_moments.add(track)
                times.setdefault(track, []).append(frame if time_s is None else time_s)
    return positions, times, by_moments


def _val_name(name: str, taken: set[str]) -> str:
    """A new name for the validation part of a track; it is added to `taken`."""
    name += "-val"
    while name in taken:
        name += "-val"
    taken.add(name)
    return name


def _batches(reader: pa.ipc.RecordBatchFileReader, positions: Sequence[tuple[int, int]]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(positions), OUT_ROWS):
        yield _gather(reader, positions[start : start + OUT_ROWS])


def _gather(reader: pa.ipc.RecordBatchFileReader, positions: Sequence[tuple[int, int]]) -> pa.RecordBatch:
    slices = [reader.get_batch(number).slice(row, 1) for number, row in positions]
    return pa.Table.from_batches(slices).combine_chunks().to_batches()[0]


def _renamed(batch: pa.RecordBatch, split: str, track: str) -> pa.RecordBatch:
    columns = {name: batch.column(name) for name in ROW_SCHEMA.names}
    columns["split"] = pa.array([split] * batch.num_rows, pa.string())
    columns["track"] = pa.array([track] * batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=ROW_SCHEMA)
