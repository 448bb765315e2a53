"""Counts the pictures of a file: of an animated PNG or WebP, or the pages of a TIFF; only the first one is read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from fabnet.faces.tiff import num_pages, tiff_layout
from fabnet.files.kinds import PNG

__all__ = ["num_pictures"]

MAX_COUNT = 100_000
ANIMATED = 0x02
"""Bit of an extended WebP's header."""


def num_pictures(path: Path) -> int:
    """Number of pictures in a file, from its headers; 1 if the format has one picture, or the file cannot be read.

    Args:
        path: a picture.
    """
    try:
        with path.open("rb") as file:
            head = file.read(21)
            if head.startswith(PNG):
                return _of_png(file)
            if head[8:16] == b"WEBPVP8X" and len(head) == 21 and head[20] & ANIMATED:
                return _of_webp(file)
            if (layout := tiff_layout(head)) is not None:
                return num_pages(file, layout)
    except (OSError, struct.error):
        pass
    return 1


def _of_png(file: BinaryIO) -> int:
    """The count that an animated PNG states before its first picture."""
    file.seek(len(PNG))
    for _ in range(MAX_COUNT):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"acTL":
            return max(1, int(struct.unpack(">I", file.read(4))[0]))
        if kind in (b"IDAT", b"IEND"):
            break
        file.seek(length + 4, 1)
    return 1


def _of_webp(file: BinaryIO) -> int:
    count, place = 0, 12
    while count < MAX_COUNT:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        count += kind == b"ANMF"
        place += 8 + length + length % 2
    return max(1, count)
