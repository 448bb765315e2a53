"""Writes embedding rows, one per face and frame, to Lance, Parquet, CSV or npy as they arrive."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError, StoreError
from fabnet.files.cells import write_csv
from fabnet.files.lance import LANCE_FOLDERS, foreign, has_dataset, lance_reads, lance_writes, open_dataset, sweep
from fabnet.files.lance import write_rows as replace_rows
from fabnet.files.lance_lock import REMOVING, locked
from fabnet.files.lance_package import lance_package
from fabnet.files.lance_reading import new_generation
from fabnet.files.limits import open_input
from fabnet.files.output import written_whole
from fabnet.files.parquet import write_parquet
from fabnet.files.places import dataset_around, is_remote, remove
from fabnet.files.sync import sync, sync_folder
from fabnet.reading.columns import VERSION_KEY, Row, flat_names, split_lists
from fabnet.reading.options import FORMATS, Format
from fabnet.store.track_store import is_store

__all__ = ["check_place", "to_batches", "write_rows"]

ROWS_AT_ONCE = 1024
TABLE_BEGINS = b'"id","identity","video","track","frame","time_s","source",'
"""First bytes by which the CSV beside an npy is recognised."""
NOTES = "_parts.lance"
OWN = LANCE_FOLDERS | {"_lock", "_spool", NOTES}
"""Entries that an interrupted first attempt may have left, including one on a cluster."""


def to_batches(rows: Iterable[Row], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Collect rows into Arrow batches as they arrive."""
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == ROWS_AT_ONCE:
            yield pa.RecordBatch.from_pylist(waiting, schema=columns)
            waiting = []
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, schema=columns)


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Split lists into columns for CSV: box_x0 ... box_y1, e0 ... e255; points become TASK_x0, TASK_y0 ..."""
    return split_lists(batch, lambda field: [(name, index) for index, name in enumerate(flat_names(field))])


def check_place(out: Path, file_format: Format) -> None:
    """Refuse to replace what `embed` did not write.

    Raises:
        InputError: `out` lies inside a dataset, or is a folder where a file is expected; or a file, another dataset or
            other files where a dataset is expected; or there is a CSV beside an npy that `embed` did not write.
        StoreError: the dataset at `out` is corrupt.
        MissingDependencyError: it is a dataset, and Lance is not installed.
    """
    found = None
    if (dataset := dataset_around(out)) is not None:
        raise InputError(f"--out {out} lies inside the dataset {dataset}: choose another place")
    if file_format == "npy":
        _check_table_place(out)
    if file_format == "lance":
        lance_package()  # a missing one is said before anything is embedded
    if file_format != "lance":
        found = "is a folder" if out.is_dir() else None
    elif out.is_file():
        found = "is a file"
    elif has_dataset(out):
        with lance_reads(f"the dataset {out}, which embed would replace,"):
            metadata = open_dataset(out).schema.metadata or {}
        if VERSION_KEY not in metadata:
            found = "is a track store" if is_store(out) else "is a dataset of something else"
    elif others := foreign(out, OWN):
        found = f"holds other files ({others[0]} ...) and no dataset"
    if found is not None:
        raise InputError(f"{out} {found}, which embed would replace: choose another --out")


def _check_table_place(out: Path) -> None:
    """Refuse to replace the CSV beside an npy if `embed` did not write it."""
    table = _table_beside(out)
    if table.is_file():
        with open_input(table, None) as file:
            if file.read(len(TABLE_BEGINS)) == TABLE_BEGINS:
                return
    if table.exists():
        raise InputError(
            f"{table} was not written by embed, which would put the rows of {out} there: choose another --out"
        )


def _table_beside(out: Path) -> Path:
    return out.with_suffix(".csv")


def write_rows(
    rows: Iterable[Row],
    out: Path,
    *,
    file_format: Format,
    columns: pa.Schema,
) -> None:
    """Write rows as they arrive; the output appears completely or not at all.

    Args:
        rows: dictionaries with the columns of an embeddings dataset.
        out: a Lance dataset's folder, or a file. For "npy" the embeddings are written to `out`, (N, D) float32 with NaN
            for rows without one, and the other columns to a CSV of the same name beside it.
        file_format: format of the output.
        columns: columns of the dataset, from `schema`; D is the length of `embedding`.

    Raises:
        InputError: another command has made something else at `out` since `check_place`.
        StoreError: another command is writing to the dataset that this one would replace, or has put something at a
            new dataset's place meanwhile: then the rows are beside it, and the message names their place.
        OutputError: the disk is full, writing there is not allowed, or another command is writing the same output.
    """
    if file_format == "lance":
        columns = columns.with_metadata({**(columns.metadata or {}), **new_generation()})
    batches = to_batches(rows, columns)
    if file_format == "lance":
        _write_lance(batches, out, columns)
        return
    with written_whole(out) as partial:
        if file_format == "parquet":
            write_parquet(batches, columns, partial)
        elif file_format == "csv":
            write_csv(map(_flat, batches), _flat(pa.RecordBatch.from_pylist([], schema=columns)).schema, partial)
        elif file_format == "npy":
            _write_npy(batches, partial, out, columns)
        else:
            raise InputError(f"unknown format {file_format!r}: choose one of {', '.join(FORMATS)}")


def _write_lance(batches: Iterable[pa.RecordBatch], out: Path, columns: pa.Schema) -> None:
    """Write a dataset, or replace the rows of an existing one in one commit."""
    is_new = not has_dataset(out)
    if is_new and not is_remote(out):
        _write_new(batches, out, columns)
        return
    with locked(out), lance_writes(out):
        if (out / REMOVING).is_file():
            raise StoreError(f"{out}: a removal was interrupted; finish it first with `fabnet remove {out}`")
        check_place(out, "lance")  # again, because another command may have made something else there meanwhile
        try:
            replace_rows(out, batches, columns, overwrite=True)
        except BaseException:
            with suppress(OSError):  # uncommitted files, which the next command would remove too
                if is_new:
                    remove(out)
                else:
                    sweep(out, leftovers=not is_remote(out))
            raise
        remove(out / NOTES)  # left by an unfinished run on a cluster
        sweep(out, leftovers=not is_remote(out))


def _write_new(batches: Iterable[pa.RecordBatch], out: Path, columns: pa.Schema) -> None:
    """Write a dataset where there is none; if another command puts something there meanwhile, write it beside that.

    A lock in a folder that does not exist yet would leave that folder after a kill, so only an existing one is locked.
    """
    with ExitStack() as lock:
        if out.is_dir():  # with what an interrupted attempt left, or parts of one that is running
            lock.enter_context(locked(out))
            check_place(out, "lance")
        before = _files_below(out)

        def check(partial: Path) -> None:
            if _files_below(out) != before:
                kept = _free_name(partial, out)
                os.rename(partial, kept)
                sync_folder(kept.parent)
                raise StoreError(
                    f"another command has written to {out} meanwhile, so that stays as it is: the embeddings are in "
                    f"{kept}"
                )
            lock.close()  # Windows renames no folder with an open file in it

        with written_whole(out, check=check) as partial:
            replace_rows(partial, batches, columns, overwrite=True)


def _files_below(folder: Path) -> set[Path]:
    return {entry for entry in (folder, *folder.rglob("*")) if entry.is_file()}


def _free_name(partial: Path, out: Path) -> Path:
    """A place beside an output, as NAME-2.lance."""
    name = out.resolve()
    places = (partial.with_name(f"{name.stem}-{number}{name.suffix}") for number in count(2))
    return next(place for place in places if not os.path.lexists(place))


def _write_npy(batches: Iterable[pa.RecordBatch], partial: Path, out: Path, columns: pa.Schema) -> None:
    embeddings: list[np.ndarray] = []
    nothing = [float("nan")] * columns.field("embedding").type.list_size

    def without_embedding() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = [nothing if value is None else value for value in batch.column("embedding").to_pylist()]
            embeddings.append(np.array(values, dtype=np.float32).reshape(-1, len(nothing)))
            yield _flat(batch.drop_columns(["embedding"]))

    empty = pa.RecordBatch.from_pylist([], schema=columns).drop_columns(["embedding"])
    with written_whole(_table_beside(out)) as rows_file:
        write_csv(without_embedding(), _flat(empty).schema, rows_file)
        with partial.open("wb") as file:
            np.save(file, np.concatenate(embeddings) if embeddings else np.empty((0, len(nothing)), np.float32))
        sync(partial)  # before the table takes its place, since a full disk may only show here
