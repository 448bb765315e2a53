"""Opens input: regular files only, of limited size. SECURITY.md lists the limits.

A named pipe waits for a writer, a device such as `/dev/zero` never ends, and files under `/proc` report a size of 0.
So all input is opened by `open_input` or `read_bytes`, and a file that a library opens by its name goes through
`check_file` first.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader, BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from fabnet.errors import InputError

__all__ = [
    "MAX_CONFIG_BYTES",
    "MAX_FRAMES",
    "MAX_JSON_BYTES",
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "MAX_TABLE_BYTES",
    "MAX_WEIGHTS_BYTES",
    "check_file",
    "open_input",
    "open_text",
    "read_bytes",
    "read_text",
    "unpacked_limit",
    "what_is",
]

MAX_PIXELS = 100_000_000
"""Pixels of a picture or a video frame: 300 MB once decoded."""
MAX_FRAMES = 20_000_000
"""Frames of a video: nine days at 25 frames per second."""
MAX_PICTURE_BYTES = 2**28
"""Size of a picture file."""
MAX_TABLE_BYTES = 2**28
"""Size of a CSV or text file."""
MAX_JSON_BYTES = 2**26
"""Size of a JSON file."""
MAX_CONFIG_BYTES = 2**22
"""Size of a JSON file that describes a single model, run or state."""
MAX_WEIGHTS_BYTES = 2**33
"""Size of a weights file in any format."""
MAX_UNPACKED_TIMES = 20
"""Ratio of a compressed file's unpacked size to its own size; labels and pictures have two to ten."""
FREE_UNPACKED_BYTES = 2**27
"""Unpacked size that any compressed file may have, however small it is."""
CHUNK = 2**20

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
)


def what_is(mode: int) -> str | None:
    """The kind of a file that is not a regular file: "a named pipe", "a device" ...; None for a regular file.

    Args:
        mode: its `st_mode`.
    """
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in KINDS if test(mode)), "something else")


def check_file(file: Path, limit: int | None) -> None:
    """Refuse a file that is not regular or is too large, before a library opens it by its name.

    A missing file passes: the library will report it.

    Args:
        file: path on this machine or in an object store.
        limit: upper bound of its size in bytes; None: no limit.

    Raises:
        InputError: it is not a regular file, or is larger.
    """
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    _check(file, status, limit)


def _check(file: Path, status: Any, limit: int | None) -> None:
    kind = None if "://" in str(file) else what_is(status.st_mode)  # object stores contain only regular files
    if kind is not None:
        raise InputError(f"{file} is {kind}; expected a regular file: copy its content into one first")
    _check_count(file, status.st_size, limit)


def _check_count(file: Path, count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        raise InputError(f"{file} has {count:,} bytes; the limit for such a file is {limit:,}")


def unpacked_limit(packed: int, limit: int) -> int:
    """The number of bytes that a compressed file may unpack to.

    Args:
        packed: size of the file in bytes.
        limit: upper bound of the result.
    """
    return min(limit, max(FREE_UNPACKED_BYTES, MAX_UNPACKED_TIMES * packed))


def open_input(file: Path, limit: int | None) -> BufferedReader:
    """Open a regular file to read its bytes, without waiting for pipes or devices.

    A file that grows or reports too small a size can give more than `limit` bytes; only `read_bytes` stops there.

    Args:
        file: path on this machine or in an object store.
        limit: upper bound of its size in bytes; None: no limit.

    Raises:
        InputError: it is not a regular file, or is larger.
        OSError: it cannot be opened.
    """
    _check(file, file.stat(), limit)  # first, because opening a device can rewind a tape or reset a serial line
    if "://" in str(file):
        return file.open("rb")
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
    stream = os.fdopen(os.open(file, flags), "rb")
    try:
        _check(file, os.fstat(stream.fileno()), limit)  # again, because the file may have been replaced
    except BaseException:
        stream.close()
        raise
    return stream


def read_bytes(file: Path, limit: int = MAX_PICTURE_BYTES) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        InputError: it is not a regular file, or is larger.
        OSError: it cannot be read.
    """
    expected = file.stat().st_size
    with open_input(file, limit) as stream:
        parts = [stream.read(min(expected, limit) + 1)]
        count = len(parts[0])
        if count > expected:  # the file has grown, or is below /proc
            while count <= limit and (part := stream.read(CHUNK)):
                parts.append(part)
                count += len(part)
    if count > limit:
        raise InputError(f"{file} has more than {limit:,} bytes, which is the limit for such a file")
    return b"".join(parts) if len(parts) > 1 else parts[0]


def open_text(file: Path, limit: int = MAX_JSON_BYTES, *, encoding: str = "utf-8") -> TextIO:
    """Open a regular text file of at most `limit` bytes; line ends are not translated.

    Raises:
        InputError: it is not a regular file, or is larger.
        OSError: it cannot be read.
    """
    return TextIOWrapper(BytesIO(read_bytes(file, limit)), encoding=encoding, newline="")


def read_text(file: Path, limit: int = MAX_JSON_BYTES, *, encoding: str = "utf-8") -> str:
    """Read a regular text file of at most `limit` bytes; line ends become `\\n`.

    Raises:
        InputError: it is not a regular file, or is larger.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not text in this encoding.
    """
    return read_bytes(file, limit).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
