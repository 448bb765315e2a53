"""ZIP archives that other formats are made of, looked through before anything in them is unpacked."""

from __future__ import annotations

import struct
import zipfile
from typing import IO

from fabnet.errors import InputError
from fabnet.files.limits import unpacked_limit

__all__ = ["open_archive"]

MAX_DIRECTORY_BYTES = 2**22
"""Of the list of files at an archive's end, which is read whole: some 50,000 files."""
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, LONGEST_COMMENT = 22, 2**16
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_archive(stream: IO[bytes], limit: int) -> zipfile.ZipFile:
    """Open a ZIP archive whose files unpack to no more than is sane.

    A file in it gives no more bytes than the archive's list says, which is what is added up here.

    Args:
        stream: of the archive, at any place.
        limit: bytes that its files may have in all once unpacked; 20 times its own size at the most, above 128 MiB.

    Raises:
        InputError: they have more, are compressed in an unusual way, or overlap, or there are too many.
        zipfile.BadZipFile: it is not an archive, or is damaged.
    """
    size = stream.seek(0, 2)
    _check_directory(stream, size)
    stream.seek(0)
    archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    if any(member.compress_type not in METHODS for member in members):
        raise InputError("it is compressed in another way than by deflate")
    packed, unpacked = sum(each.compress_size for each in members), sum(each.file_size for each in members)
    if packed > size:
        raise InputError(f"its parts have {packed:,} bytes, and the file {size:,}: they overlap")
    allowed = unpacked_limit(size, limit)
    if unpacked > allowed:
        raise InputError(f"{size:,} bytes unpack to {unpacked:,}; the limit for such a file is {allowed:,}")
    return archive


def _check_directory(stream: IO[bytes], size: int) -> None:
    stream.seek(max(0, size - END_BYTES - LONGEST_COMMENT))
    tail = stream.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) < place + END_BYTES:
        raise zipfile.BadZipFile("it is not a ZIP archive")
    (length,) = struct.unpack_from("<I", tail, place + 12)
    locator = tail.rfind(LOCATOR_64, 0, place)
    if locator >= 0:
        (at,) = struct.unpack_from("<Q", tail, locator + 8)
        stream.seek(min(at, size))
        end = stream.read(56)
        # Python looks for this record right before its locator, whatever that says.
        records = [each for each in (end, tail[max(0, locator - 56) : locator]) if each[:4] == END_64]
        lengths = [struct.unpack_from("<Q", each.ljust(56, b"\xff"), 40)[0] for each in records]
        length = max([*lengths, length if length < 2**32 - 1 else 0])
    if length > MAX_DIRECTORY_BYTES:
        raise InputError(f"its list of files has {length:,} bytes; the limit is {MAX_DIRECTORY_BYTES:,}")
