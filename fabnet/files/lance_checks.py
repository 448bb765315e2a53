"""Checks Lance's data files before Lance reads them: some corrupt files make it abort the process instead of raising.

- If a footer counts too many buffers, Lance requests more memory than there is.
- Lance puts the name of an unknown encoding into an error, which cannot pass from Rust to Arrow's C++ if the name has a
  null byte.
- A page lists the offsets of its pictures; if one ends before it begins, Lance fills the memory.
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
"""Size of a table entry (offset and length of a column or a global buffer) before the footer."""
LISTS_BYTES = 16 << 20
"""Bytes of offset lists that are checked when a dataset is opened: some four million pictures."""

PAGES, OFFSETS, SIZES, LENGTH = 2, 1, 2, 3
"""Field numbers: pages of a column; offsets and sizes of a page's buffers, and its number of rows."""
LAYOUT_OF_PAGE = (4, 2, 1, 2, 3)
"""Field numbers from a page to its layout "full zip", in which whole values follow each other."""
NAMES_OF_ENCODINGS = ((1, 2, 1, 1), (2, 4, 2, 1, 1))
"""Field numbers from a column to the names of its own encoding and of its pages' encodings."""


MAX_KNOWN = 4096
_sound: set[tuple[Path, int, int, int]] = set()
"""Files that were checked completely."""


def check_data_files(folder: Path, dataset: Any, *, lists_bytes: float = LISTS_BYTES) -> None:
    """Check that nothing in the data files of a local dataset would make Lance abort the process.

    Files that were checked completely are not read again, because Lance never changes a file.

    Args:
        folder: folder of the dataset.
        dataset: the open dataset; its files are those that its manifest names.
        lists_bytes: upper bound of the bytes of offset lists to read, which grow with the rows.

    Raises:
        OSError: a file is corrupt or truncated.

    Source:
        Lance's file format 2, `protos/file2.proto` and `protos/encodings_v2_1.proto`.
    """
    left = lists_bytes
    for fragment in dataset.get_fragments():
        for each in fragment.data_files():
            path = folder / "data" / each.path
            with suppress(FileNotFoundError), open_input(path, None) as file:  # removed by compaction: Lance will tell
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
    """Yield the descriptions of a file's columns; none if the format is older than 2."""
    end = os.fstat(file.fileno()).st_size - FOOTER.size
    data = _read(file, max(0, end), FOOTER.size)
    if len(data) != FOOTER.size:
        raise ValueError("is truncated")
    _, columns_at, buffers_at, num_buffers, num_columns, major, _, magic = FOOTER.unpack(data)
    if magic != b"LANC":
        raise ValueError("does not end as a Lance file does")
    if major != 2:
        return
    columns_end, buffers_end = columns_at + num_columns * ENTRY_BYTES, buffers_at + num_buffers * ENTRY_BYTES
    if not columns_end <= buffers_at <= buffers_end <= end:
        raise ValueError(f"has no room for the {num_columns:,} columns and {num_buffers:,} buffers of its footer")
    for at, length in struct.iter_unpack("<QQ", _read(file, columns_at, num_columns * ENTRY_BYTES)):
        if at + length > end:
            raise ValueError(f"describes a column in {length:,} bytes at {at:,}, beyond its end")
        yield _read(file, at, length)


def _check_names(column: bytes) -> None:
    for way in NAMES_OF_ENCODINGS:
        if any(b"\0" in name for name in found(column, way)):
            raise ValueError("has an encoding whose name contains a null byte")


def _check_lists(file: BinaryIO, column: bytes, left: float) -> float:
    """Check a column's offset lists; return the number of bytes that may still be read."""
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
            raise ValueError(f"lists the offsets of {length!r} values in {sizes[1]:,} bytes")
        begins = np.frombuffer(_read(file, offsets[1], sizes[1]), f"<u{width}")
        if len(begins) * width != sizes[1] or (begins[1:] < begins[:-1]).any() or begins[-1] > sizes[0]:
            raise ValueError("lists values that end before they begin, or beyond their page")
    return left


def _numbers(packed: bytes | int | None) -> list[int]:
    return list(numbers(packed)) if isinstance(packed, bytes) else []


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)
