"""The rows of a session that is not over: a CSV file beside the output, for a kill, a power cut or a full disk."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa

from fabnet.errors import InputError, OutputError
from fabnet.files.cells import csv_rows
from fabnet.files.output import output_errors
from fabnet.files.places import is_remote
from fabnet.files.sync import sync, sync_folder
from fabnet.reading.table import flat

__all__ = ["kept_until_finished", "telling_where_rows_are", "unfinished_file"]

SYNC_S = 1.0
"""Time between two syncs: a power cut loses about as much."""


def unfinished_file(out: Path) -> Path:
    """The file that keeps the rows of `out` until it is written; in the working folder if `out` is an object."""
    return (Path() if is_remote(out) else out.parent) / f"{out.stem}.unfinished.csv"


@contextmanager
def telling_where_rows_are(out: Path) -> Iterator[None]:
    """Name the file of unfinished rows where `out` cannot be written, if the block has made one."""
    file = unfinished_file(out)
    is_former = file.exists()
    try:
        yield
    except OutputError as error:
        if is_former or not file.exists():
            raise
        raise OutputError(f"{error}; the rows until then are in {file}") from error


@contextmanager
def kept_until_finished(out: Path, columns: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Keep rows in a file as they come. The caller removes it once `out` is written; it stays if the block fails.

    Args:
        out: the file that all rows will be written to; the caller holds its lock.
        columns: schema of the rows.

    Yields:
        A function that adds rows, (N,) of the schema.

    Raises:
        InputError: there are rows of a former session.
        OutputError: the rows cannot be written; those before are kept.
    """
    file = unfinished_file(out)
    if file.exists():
        raise InputError(f"{file} keeps the rows of a session that was cut off: move it elsewhere, or remove it")
    header = flat(pa.RecordBatch.from_pylist([], schema=columns)).schema
    count, whole_bytes, synced_s, is_ours = 0, 0, time.monotonic(), False

    def keep(batch: pa.RecordBatch) -> None:
        nonlocal count, whole_bytes, synced_s
        with output_errors(file):
            add(flat(batch))
            whole_bytes += _moved(text, stream)
            if time.monotonic() - synced_s > SYNC_S:
                sync(file)
                synced_s = time.monotonic()
        count += len(batch)

    try:
        with ExitStack() as stack:
            with output_errors(file):
                stream = stack.enter_context(file.open("xb", buffering=0))
                is_ours = True
                text = io.BytesIO()
                add = stack.enter_context(csv_rows(header, text))
                whole_bytes += _moved(text, stream)
                sync_folder(file.parent)
            yield keep
    except OutputError:
        if count:
            os.truncate(file, whole_bytes)  # a full disk cuts the last row
        raise
    finally:
        if is_ours and not count:
            file.unlink(missing_ok=True)


def _moved(text: io.BytesIO, stream: io.FileIO) -> int:
    """Move all text to a file, whose every write may take only a part of it; return its number of bytes."""
    rest = memoryview(text.getvalue())
    count = len(rest)
    while rest:
        rest = rest[stream.write(rest) :]
    text.seek(0)
    text.truncate()
    return count
