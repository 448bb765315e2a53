"""How large what is read may be; SECURITY.md lists these limits."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from fabnet.errors import InputError

__all__ = [
    "MAX_FRAMES",
    "MAX_JSON_BYTES",
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "MAX_TABLE_BYTES",
    "MAX_WEIGHTS_BYTES",
    "check_size",
    "read_bytes",
    "read_csv",
    "read_text",
]

MAX_PIXELS = 100_000_000
"""Of a picture or a video's frame: 300 MB once decoded."""
MAX_FRAMES = 20_000_000
"""Of a video: nine days at 25 frames a second."""
MAX_PICTURE_BYTES = 2**28
"""Of a picture's file."""
MAX_TABLE_BYTES = 2**28
"""Of a CSV or text file."""
MAX_JSON_BYTES = 2**26
"""Of a JSON file."""
MAX_WEIGHTS_BYTES = 2**33
"""Of a file of weights, whatever its format."""


def check_size(file: Path, limit: int) -> None:
    """Refuse a file that is larger than `limit` bytes, before anything of it is read; one that is not there passes.

    Raises:
        InputError: it is larger.
    """
    size = file.stat().st_size if file.is_file() else 0
    if size > limit:
        raise InputError(f"{file} has {size:,} bytes; the limit for such a file is {limit:,}")


def read_bytes(file: Path, limit: int = MAX_PICTURE_BYTES) -> bytes:
    """Read a file of no more than `limit` bytes.

    Raises:
        InputError: it is larger.
        OSError: it cannot be read.
    """
    check_size(file, limit)
    return file.read_bytes()


def read_text(file: Path, limit: int = MAX_JSON_BYTES, *, encoding: str = "utf-8") -> str:
    """Read a text file of no more than `limit` bytes.

    Raises:
        InputError: it is larger.
        OSError: it cannot be read.
        UnicodeDecodeError: it is no text in this encoding.
    """
    check_size(file, limit)
    return file.read_text(encoding=encoding)


def read_csv(file: Path, header: str) -> list[tuple[int, dict[str, Any]]]:
    """Read the rows of a CSV file of no more than `MAX_TABLE_BYTES`, by the names in its first line.

    Args:
        file: in UTF-8.
        header: that it should have, for the message; it is not checked.

    Returns:
        The number of its line and the row, one after another; blank lines are passed over.

    Raises:
        InputError: it is larger, or no CSV file.
        OSError: it cannot be read.
    """
    check_size(file, MAX_TABLE_BYTES)
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} is no CSV file ({error}): expected the header {header}") from error
