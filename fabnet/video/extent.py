"""Where a video ends within its file: before the end that it states, or before another one that was joined to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fabnet.files.limits import open_input

__all__ = ["is_cut", "next_start"]

FLV_HEADER = b"\0\0\0\x09\0\0\0\0"
"""What follows b"FLV", the version 1 and a byte of flags."""
SEGMENT = b"\x18\x53\x80\x67"
"""The Matroska element that holds the recording."""
CHUNK = 1 << 20
MAX_BOXES = 1_000_000
"""Boxes of an MP4 that are looked at: a day of fragments has a fifth of it."""


def is_cut(path: Path, format_name: str) -> bool:
    """Whether a Matroska or AVI file is shorter than it states; FFmpeg ends there as if it were whole.

    Args:
        path: the file.
        format_name: FFmpeg's name of its format.
    """
    with open_input(path, None) as file:
        size = file.seek(0, 2)
        file.seek(0)
        if format_name == "avi":
            return any(end > size for _, end in _riff_chunks(file, 0))
        if format_name.startswith("matroska"):
            return (_segment_end(file.read(4096)) or 0) > size
    return False


def _segment_end(head: bytes) -> int | None:
    """The end of a Matroska file by its first bytes; None if it was written without an end, as live streams are."""
    place = head.find(SEGMENT) + len(SEGMENT)
    if place < len(SEGMENT) or place >= len(head) or not head[place]:
        return None
    num_bytes = 9 - head[place].bit_length()
    unknown = (1 << 7 * num_bytes) - 1
    stated = int.from_bytes(head[place : place + num_bytes], "big") & unknown
    return None if stated == unknown else place + num_bytes + stated


def next_start(path: Path, format_name: str, start: int, end: int) -> int | None:
    """Find the byte where another file begins that was joined to an FLV, MP4 or QuickTime file (`cat a.flv b.flv`).

    FFmpeg goes on by itself in other formats; in these it stops after the first file, without a word.

    Args:
        path: the file.
        format_name: FFmpeg's name of its format.
        start: where the file that was read begins.
        end: the end of the last packet that was read.

    Returns:
        The place; None if there is none.
    """
    with open_input(path, None) as file:
        if format_name == "flv":
            return _flv_header(file, end)
        if format_name.startswith("mov"):
            return next((place for place, kind in _boxes(file, start) if kind == b"ftyp" and place > start), None)
    return None


def _flv_header(file: BinaryIO, place: int) -> int | None:
    file.seek(place)
    kept = b""
    while chunk := file.read(CHUNK):
        data = kept + chunk
        found = data.find(FLV_HEADER)
        while found >= 0:
            if found >= 5 and data[found - 5 : found - 1] == b"FLV\x01":
                return place + found - 5
            found = data.find(FLV_HEADER, found + 1)
        kept = data[-16:]
        place += len(data) - len(kept)
    return None


def _riff_chunks(file: BinaryIO, place: int) -> Iterator[tuple[int, int]]:
    """Where each chunk of the top level of an AVI file begins and ends."""
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return
        end = place + 8 + int.from_bytes(head[4:], "little")
        yield place, end
        place = end + end % 2


def _boxes(file: BinaryIO, place: int) -> Iterator[tuple[int, bytes]]:
    """Each box of the top level of an MP4 or QuickTime file: where it begins, and its kind."""
    for _ in range(MAX_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        yield place, kind
        if size < 8:  # up to the end, or damaged
            return
        place += size
