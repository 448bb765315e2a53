"""Finds where a video ends in its file: before its stated end, or before another video that was appended to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fabnet.files.limits import open_input

__all__ = ["is_cut", "next_file", "next_flv"]

FLV_HEADER = b"\0\0\0\x09\0\0\0\0"
"""Bytes of an FLV header after b"FLV", the version 1 and a byte of flags."""
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
"""First bytes of a Matroska file, and the id of the element that contains its recording."""
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
"""First bytes of an ASF or WMV file."""
CHUNK = 1 << 20
MAX_BOXES = 1_000_000
"""Upper bound on the MP4 boxes that are examined: a day of fragments has a fifth of that."""


def is_cut(path: Path, format_name: str, start: int = 0) -> bool:
    """Whether a Matroska, AVI or IVF file is truncated, which FFmpeg does not report.

    Args:
        path: the file.
        format_name: FFmpeg's name of its format.
        start: byte offset at which the recording begins.
    """
    with open_input(path, None) as file:
        size = file.seek(0, 2)
        if format_name == "avi":
            return any(end > size for _, end in _riff_chunks(file, start))
        if format_name.startswith("matroska"):
            return (_segment_end(file, start) or 0) > size
        if format_name == "ivf":
            return any(end > size for end in _ivf_frames(file))
    return False


def _segment_end(file: BinaryIO, start: int) -> int | None:
    """Byte offset at which a Matroska recording ends; None if it states no end, as a live stream."""
    file.seek(start)
    head = file.read(4096)
    offset = head.find(SEGMENT) + len(SEGMENT)
    if offset < len(SEGMENT) or offset >= len(head) or not head[offset]:
        return None
    num_bytes = 9 - head[offset].bit_length()
    unknown = (1 << 7 * num_bytes) - 1
    stated = int.from_bytes(head[offset : offset + num_bytes], "big") & unknown
    return None if stated == unknown else start + offset + num_bytes + stated


def next_file(path: Path, format_name: str, start: int) -> int | None:
    """Find another file that was appended to an MP4, QuickTime, Matroska or ASF file (`cat a b`).

    FFmpeg would stop after the first or second such file, or read parts twice.

    Args:
        path: the file.
        format_name: FFmpeg's name of its format.
        start: byte offset at which the file being read begins.

    Returns:
        Byte offset of the next file; None if there is none.
    """
    with open_input(path, None) as file:
        if format_name.startswith("mov"):
            return next((offset for offset, kind in _boxes(file, start) if kind == b"ftyp" and offset > start), None)
        if format_name.startswith("matroska"):
            end = _segment_end(file, start)
            return end if end is not None and _is_at(file, end, EBML) else None
        if format_name == "asf":
            return next(
                (offset for offset, kind in _asf_objects(file, start) if kind == ASF_HEADER and offset > start), None
            )
    return None


def next_flv(path: Path, end: int) -> int | None:
    """Find another FLV file that was appended to one.

    Args:
        path: the file.
        end: byte offset of the end of the last packet that was read.

    Returns:
        Byte offset of the next file; None if there is none.
    """
    with open_input(path, None) as file:
        return _flv_header(file, end)


def _is_at(file: BinaryIO, offset: int, start: bytes) -> bool:
    file.seek(offset)
    return file.read(len(start)) == start


def _flv_header(file: BinaryIO, offset: int) -> int | None:
    file.seek(offset)
    kept = b""
    while chunk := file.read(CHUNK):
        data = kept + chunk
        found = data.find(FLV_HEADER)
        while found >= 0:
            if found >= 5 and data[found - 5 : found - 1] == b"FLV\x01":
                return offset + found - 5
            found = data.find(FLV_HEADER, found + 1)
        kept = data[-16:]
        offset += len(data) - len(kept)
    return None


def _riff_chunks(file: BinaryIO, offset: int) -> Iterator[tuple[int, int]]:
    """Start and end of each top-level chunk of an AVI file."""
    while True:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return
        end = offset + 8 + int.from_bytes(head[4:], "little")
        yield offset, end
        offset = end + end % 2


def _ivf_frames(file: BinaryIO) -> Iterator[int]:
    """End of each frame of an IVF file."""
    end = 32
    while True:
        file.seek(end)
        head = file.read(12)
        if len(head) < 12:
            return
        end += 12 + int.from_bytes(head[:4], "little")
        yield end


def _boxes(file: BinaryIO, offset: int) -> Iterator[tuple[int, bytes]]:
    """Start and type of each top-level box of an MP4 or QuickTime file."""
    for _ in range(MAX_BOXES):
        file.seek(offset)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        yield offset, kind
        if size < 8:  # extends to the end of the file, or is corrupt
            return
        offset += size


def _asf_objects(file: BinaryIO, offset: int) -> Iterator[tuple[int, bytes]]:
    """Start and GUID of each top-level object of an ASF file."""
    for _ in range(MAX_BOXES):
        file.seek(offset)
        head = file.read(24)
        if len(head) < 24:
            return
        yield offset, head[:16]
        size = int.from_bytes(head[16:], "little")
        if not 24 <= size < 1 << 62:  # a live stream without an end, or corrupt
            return
        offset += size
