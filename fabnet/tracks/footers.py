"""Footers of Lance's data files: wrong ones have Lance ask for more memory than there is, which ends the process."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["check_footers"]

FOOTER = struct.Struct("<QQQIIHH4s")
ENTRY_BYTES = 16
"""Of a column or a global buffer, in the tables before the footer: where it lies, and how long it is."""


def check_footers(folder: Path, dataset: Any) -> None:
    """See that the footers of a local dataset's data files count no more columns and buffers than there is room for.

    Args:
        folder: of the dataset.
        dataset: opened; its own manifest says which files are its, besides those that are being written.

    Raises:
        OSError: a footer is wrong.

    Source:
        Lance's file format 2, `protos/file2.proto`.
    """
    for fragment in dataset.get_fragments():
        for file in fragment.data_files():
            with suppress(FileNotFoundError):  # compacted away: Lance will tell
                _check(folder / "data" / file.path)


def _check(path: Path) -> None:
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size - FOOTER.size
        file.seek(max(0, end))
        data = file.read()
    if len(data) != FOOTER.size:
        raise OSError(f"{path.name} is cut short")
    _, columns_at, buffers_at, num_buffers, num_columns, major, _, magic = FOOTER.unpack(data)
    if magic != b"LANC":
        raise OSError(f"{path.name} does not end as a Lance file does")
    columns_end, buffers_end = columns_at + num_columns * ENTRY_BYTES, buffers_at + num_buffers * ENTRY_BYTES
    if major == 2 and not columns_end <= buffers_at <= buffers_end <= end:
        raise OSError(f"{path.name} has {num_columns:,} columns and {num_buffers:,} buffers by its footer, and no room")
