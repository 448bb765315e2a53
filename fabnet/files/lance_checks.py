"""Looks at Lance's data files before Lance reads them: some damages there end the process, where others end the call.

- A footer that counts too many buffers has it ask for more memory than there is.
- An encoding's name that it does not know comes back in an error; with a null byte in it, that error cannot cross from
  Rust to Arrow's C++.
- Where each picture of a page begins stands in a list; if one seems to end before it begins, memory fills up.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fabnet.files.limits import open_input
from fabnet.files.protobuf import fields, found, numbers

__all__ = ["check_data_files"]

FOOTER = struct.Struct("<QQQIIHH4s")
ENTRY_BYTES = 16
"""Of a column or a global buffer, in the tables before the footer: where it lies, and how long it is."""
LISTS_BYTES = 16 << 20
"""Of lists of where values begin: what is read at an opening; some four million pictures."""

PAGES, OFFSETS, SIZES, LENGTH = 2, 1, 2, 3
"""Fields of Protocol Buffers: a column's pages; where a page's buffers lie, how long they are, how many rows it has."""
LAYOUT_OF_PAGE = (4, 2, 1, 2, 3)
"""The way to the layout "full zip" of a page: its values stand one behind the other, whole."""
NAMES_OF_ENCODINGS = ((1, 2, 1, 1), (2, 4, 2, 1, 1))
"""The ways from a column to the names of its own encoding and of its pages'."""


MAX_KNOWN = 4096
_sound: set[tuple[Path, int, int, int]] = set()
"""Files that were looked at whole."""


def check_data_files(folder: Path, dataset: Any, *, lists_bytes: float = LISTS_BYTES) -> None:
    """See that nothing in a local dataset's data files would end the process when Lance reads it.

    Args:
        folder: of the dataset.
        dataset: opened; its own manifest says which files are its, besides those that are being written.
        lists_bytes: read no more of the lists that say where values begin: they grow with the rows. Files that were
            looked at whole before are not read again: Lance never changes one.

    Raises:
        OSError: something would.

    Source:
        Lance's file format 2, `protos/file2.proto` and `protos/encodings_v2_1.proto`.
    """
    left = lists_bytes
    for fragment in dataset.get_fragments():
        for each in fragment.data_files():
            path = folder / "data" / each.path
            with suppress(FileNotFoundError), open_input(path, None) as file:  # compacted away: Lance will tell
                status = os.fstat(file.fileno())
                state = (path, status.st_ino, status.st_size, status.st_mtime_ns)
                if state in _sound:
                    continue
                try:
                    for column in _columns(file):
                        _check_names(column)
                        left = _check_lists(file, column, left)
                except ValueError as error:
                    raise OSError(f"{path.name} {error}") from None
                if left >= 0:
                    if len(_sound) >= MAX_KNOWN:
                        _sound.clear()
                    _sound.add(state)


def _columns(file: BinaryIO) -> Iterator[bytes]:
    """The descriptions of a file's columns; none where the format is older than 2."""
    end = os.fstat(file.fileno()).st_size - FOOTER.size
    data = _read(file, max(0, end), FOOTER.size)
    if len(data) != FOOTER.size:
        raise ValueError("is cut short")
    _, columns_at, buffers_at, num_buffers, num_columns, major, _, magic = FOOTER.unpack(data)
    if magic != b"LANC":
        raise ValueError("does not end as a Lance file does")
    if major != 2:
        return
    columns_end, buffers_end = columns_at + num_columns * ENTRY_BYTES, buffers_at + num_buffers * ENTRY_BYTES
    if not columns_end <= buffers_at <= buffers_end <= end:
        raise ValueError(f"has {num_columns:,} columns and {num_buffers:,} buffers by its footer, and no room")
    for at, length in struct.iter_unpack("<QQ", _read(file, columns_at, num_columns * ENTRY_BYTES)):
        if at + length > end:
            raise ValueError(f"describes a column in {length:,} bytes at {at:,}, beyond its end")
        yield _read(file, at, length)


def _check_names(column: bytes) -> None:
    for way in NAMES_OF_ENCODINGS:
        if any(b"\0" in name for name in found(column, way)):
            raise ValueError("names an encoding with a null byte in it")


def _check_lists(file: BinaryIO, column: bytes, left: float) -> float:
    """Look at a column's lists of where values begin; gives how many bytes more may be read."""
    for page in found(column, (PAGES,)):
        about = dict(fields(page))
        offsets, sizes = (_numbers(about.get(field)) for field in (OFFSETS, SIZES))
        if len(offsets) != 2 or len(sizes) != 2 or not any(found(page, LAYOUT_OF_PAGE)):
            continue
        left -= sizes[1]
        if left < 0:
            break
        length = about.get(LENGTH, 0)
        width = sizes[1] // (length + 1) if isinstance(length, int) else 0
        if width not in (1, 2, 4, 8):
            raise ValueError(f"lists where {length!r} values begin in {sizes[1]:,} bytes")
        begins = np.frombuffer(_read(file, offsets[1], sizes[1]), f"<u{width}")
        if len(begins) * width != sizes[1] or (begins[1:] < begins[:-1]).any() or begins[-1] > sizes[0]:
            raise ValueError("lists values that end before they begin, or beyond their page")
    return left


def _numbers(packed: bytes | int | None) -> list[int]:
    return list(numbers(packed)) if isinstance(packed, bytes) else []


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)
