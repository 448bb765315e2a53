"""A table of a store's tracks beside its rows, so that finding the tracks does not mean reading 10^8 rows.

The table repeats what the rows say, up to some row. Later tracks are read from the rows; if the table is missing or
corrupt, all are.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from fabnet.errors import StoreError
from fabnet.files.lance import append_table, has_dataset, lance_reads, open_dataset
from fabnet.files.lance_reading import UNNAMED
from fabnet.files.output import output_errors
from fabnet.files.places import is_remote, remove
from fabnet.files.sync import sync_folder
from fabnet.store.index import TRACK_SCHEMA, spans_of

__all__ = ["OF_ROWS", "add_tracks", "forget_tracks", "known_rows", "read_tracks"]

FOLDER = "_tracks.lance"
OF_ROWS = "fabnet.of_generation"
"""Metadata key of the table for the generation of the rows that it describes."""


def read_tracks(store: Path, *, generation: str | None = None, columns: list[str] | None = None) -> pa.Table:
    """Read the table of tracks, in the order of their rows; empty if it is missing or corrupt.

    Args:
        store: folder of the store.
        generation: generation of the store's rows; a table of another one counts as missing. None: any.
        columns: columns of `TRACK_SCHEMA` to read; None: all.
    """
    empty = TRACK_SCHEMA.empty_table().select(TRACK_SCHEMA.names if columns is None else columns)
    if has_dataset(store / FOLDER):
        with suppress(StoreError), lance_reads(f"the table of tracks of {store}"):
            found = open_dataset(store / FOLDER, is_derived=True).to_table(columns=empty.column_names)
            found.validate(full=True)  # e.g. names that are not UTF-8
            if generation not in (None, generation_of_rows(found)):
                return empty
            if found.schema.equals(empty.schema) and not any(column.null_count for column in found.columns):
                return found
    return empty


def known_rows(tracks: pa.Table, num_rows: int) -> tuple[int, int]:
    """The number of leading tracks that cover the first rows of a store without a gap, and the number of these rows.

    Args:
        tracks: from `read_tracks`.
        num_rows: rows of the store; tracks beyond it belong to rows that were added since the store was opened.
    """
    starts, lengths = spans_of(tracks)
    ends = starts + lengths
    fits = (starts == np.append(0, ends[:-1])) & (ends <= num_rows) & (lengths > 0)
    count = len(fits) if fits.all() else int(fits.argmin())
    return count, int(ends[count - 1]) if count else 0


def generation_of_rows(tracks: pa.Table) -> str:
    """The generation of the rows that tracks from `read_tracks` describe."""
    return str((tracks.schema.metadata or {}).get(OF_ROWS.encode(), UNNAMED.encode()).decode(errors="replace"))


def add_tracks(store: Path, tracks: pa.Table) -> None:
    """Add tracks to the table in one commit.

    Args:
        store: folder of the store.
        tracks: table of `TRACK_SCHEMA` with `OF_ROWS` in its metadata; its rows follow those of earlier tracks.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    append_table(store, FOLDER, tracks, is_derived=True)


def forget_tracks(store: Path) -> None:
    """Remove the table of tracks.

    Raises:
        OutputError: that is not allowed. The rows must not be changed then, because the table would be wrong.
    """
    with output_errors(store):
        remove(store / FOLDER)
        if not is_remote(store):
            sync_folder(store)
