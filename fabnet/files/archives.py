"""ZIP archives inside other formats (npz, pth), which are checked before anything is unpacked."""

from __future__ import annotations

import struct
import zipfile
from typing import IO

from fabnet.errors import InputError
from fabnet.files.limits import unpacked_limit

__all__ = ["open_archive"]

MAX_DIRECTORY_BYTES = 2**22
"""Maximum size of the central directory, which is read whole: some 50,000 files."""
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, RECORD_64_BYTES, LOCATOR_64_BYTES, LONGEST_COMMENT = 22, 56, 20, 2**16
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_archive(stream: IO[bytes], limit: int) -> zipfile.ZipFile:
    """Open a ZIP archive after checking how much its files unpack to.

    The check adds up the sizes in the central directory; `zipfile` never unpacks more of a file than its entry says.

    Args:
        stream: the archive, at any position.
        limit: upper bound of the total unpacked size in bytes; above 128 MiB, 20 times the archive's size is another.

    Raises:
        InputError: the files unpack to more, use an unusual compression, overlap, or are too many.
        zipfile.BadZipFile: it is not a ZIP archive, or is truncated or corrupt.
    """
    size = stream.seek(0, 2)
    _check_directory(stream, size)
    stream.seek(0)
    archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    if any(member.compress_type not in METHODS for member in members):
        raise InputError("it uses a compression other than deflate")
    packed, unpacked = sum(each.compress_size for each in members), sum(each.file_size for each in members)
    if packed > size:
        raise InputError(f"its parts overlap: they have {packed:,} bytes in all, the file only {size:,}")
    allowed = unpacked_limit(size, limit)
    if unpacked > allowed:
        raise InputError(f"{size:,} bytes unpack to {unpacked:,}; the limit for such a file is {allowed:,}")
    return archive


def _check_directory(stream: IO[bytes], size: int) -> None:
    stream.seek(max(0, size - RECORD_64_BYTES - LOCATOR_64_BYTES - END_BYTES - LONGEST_COMMENT))
    tail = stream.read()
    offset = tail.rfind(END)
    if offset < 0 or len(tail) < offset + END_BYTES:
        raise zipfile.BadZipFile("it is not a ZIP archive")
    (length,) = struct.unpack_from("<I", tail, offset + 12)
    locator = offset - LOCATOR_64_BYTES  # Python looks nowhere else
    if locator >= 0 and tail[locator:].startswith(LOCATOR_64):
        (at,) = struct.unpack_from("<Q", tail, locator + 8)
        stream.seek(min(at, size))
        end = stream.read(RECORD_64_BYTES)
        # Python looks for this record directly before its locator, whatever offset the locator gives.
        records = [each for each in (end, tail[max(0, locator - RECORD_64_BYTES) : locator]) if each[:4] == END_64]
        lengths = [struct.unpack_from("<Q", each.ljust(RECORD_64_BYTES, b"\xff"), 40)[0] for each in records]
        length = max([*lengths, length if length < 2**32 - 1 else 0])
    if length > MAX_DIRECTORY_BYTES:
        raise InputError(f"its list of files has {length:,} bytes; the limit is {MAX_DIRECTORY_BYTES:,}")
