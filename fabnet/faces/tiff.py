"""The layout of TIFF and BigTIFF files, in both byte orders."""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import BinaryIO, NamedTuple

__all__ = ["TiffLayout", "is_tiff", "num_pages", "tiff_layout", "tiff_numbers", "tiff_size"]

MAX_ENTRIES, MAX_PAGES = 2**16, 100_000
TYPES = {3: "H", 4: "I", 16: "Q"}
WIDTH, HEIGHT = 256, 257
SUBFILE_TYPE, REDUCED = 254, 1
"""The tag for what a page is, and its bit for a smaller copy of another page."""


class TiffLayout(NamedTuple):
    """How numbers, pages and entries are stored. The codes are those of `struct`."""

    order: str
    offset: str
    """Code of a place in the file."""
    first_at: int
    """Where the place of the first page is."""
    length: str
    """Code of a page's number of entries."""
    entry_bytes: int
    value_at: int
    """Where an entry has its value."""


LAYOUTS = {
    magic: TiffLayout(order, *numbers)
    for order, magics in (("<", (b"II*\0", b"II+\0")), (">", (b"MM\0*", b"MM\0+")))
    for magic, numbers in zip(magics, (("I", 4, "H", 12, 8), ("Q", 8, "Q", 20, 12)), strict=True)
}
"""By a file's first bytes: TIFF and BigTIFF."""


def tiff_layout(head: bytes) -> TiffLayout | None:
    """The layout of a TIFF or BigTIFF by its first bytes; None: it is neither."""
    return LAYOUTS.get(bytes(head[:4]))


def is_tiff(head: bytes) -> bool:
    """Whether a file's first bytes are a TIFF's or a BigTIFF's."""
    return tiff_layout(head) is not None


def tiff_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a TIFF's first page, the only one that is decoded; None if they cannot be read."""
    found = tiff_numbers(data, (WIDTH, HEIGHT))
    return (found[WIDTH], found[HEIGHT]) if len(found) == 2 else None


def tiff_numbers(data: bytes, tags: Collection[int]) -> dict[int, int]:
    """Numbers that a TIFF's first page has under these tags, as far as they can be read; of several, the first one."""
    layout = tiff_layout(data)
    found: dict[int, int] = {}
    if layout is None:
        return found
    order, offset, first_at, count, entry_bytes, value_at = layout
    try:
        (place,) = struct.unpack_from(order + offset, data, first_at)
        (entries,) = struct.unpack_from(order + count, data, place)
        for entry in range(min(entries, MAX_ENTRIES)):
            at = place + struct.calcsize(order + count) + entry_bytes * entry
            tag, kind = struct.unpack_from(f"{order}HH", data, at)
            if tag in tags and kind in TYPES:
                (number,) = struct.unpack_from(order + TYPES[kind], data, at + value_at)
                found.setdefault(tag, number)  # decoders take the first of two
    except struct.error:
        pass
    return found


def num_pages(file: BinaryIO, layout: TiffLayout) -> int:
    """Number of pages that are not smaller copies of others, at least 1.

    Raises:
        OSError: the file cannot be read.
        struct.error: it is truncated or corrupt.
    """
    order, offset, first_at, count, entry_bytes, value_at = layout
    pages, seen, place = 0, set[int](), _number(file, order + offset, first_at)
    while place and place not in seen and len(seen) < MAX_PAGES:
        seen.add(place)
        length = _number(file, order + count, place)
        if length > MAX_ENTRIES:
            raise struct.error(f"a page of {length:,} entries")
        entries = file.read(entry_bytes * length)
        kinds = [
            struct.unpack_from(f"{order}I", entries, at + value_at)[0]
            for at in range(0, len(entries) - entry_bytes + 1, entry_bytes)
            if struct.unpack_from(f"{order}H", entries, at)[0] == SUBFILE_TYPE
        ]
        pages += not any(kind & REDUCED for kind in kinds)
        place = _number(file, order + offset)
    return max(1, pages)


def _number(file: BinaryIO, code: str, place: int | None = None) -> int:
    """The number at a place of a file; None: where it was read last."""
    if place is not None:
        if place >= 2**63:
            raise struct.error("a place that no file has")
        file.seek(place)
    return int(struct.unpack(code, file.read(struct.calcsize(code)))[0])
