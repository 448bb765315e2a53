"""Text files that users give: UTF-8, or UTF-16 with a byte-order mark, as programs of Windows write it."""

from __future__ import annotations

import codecs
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Literal, TextIO

from fabnet.errors import InputError
from fabnet.files.limits import read_bytes

__all__ = ["Encoding", "encoding_of", "not_unicode", "open_unicode", "read_unicode"]

Encoding = Literal["utf-8-sig", "utf-16"]
"""An encoding; a byte-order mark is left out."""
FIRST_BYTES = 4
"""Beginning of a file in which a zero byte shows that it is UTF-16 or UTF-32, or not text."""


def encoding_of(file: Path, data: bytes) -> Encoding:
    """The encoding of a file by its first bytes.

    Args:
        file: the file, for the message.
        data: its beginning, at least four bytes if it has them.

    Raises:
        InputError: it seems to have another one.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not data.startswith(codecs.BOM_UTF32_LE):
        return "utf-16"
    if b"\0" in data[:FIRST_BYTES]:
        raise not_unicode(file, data.index(b"\0"))
    return "utf-8-sig"


def not_unicode(file: Path, byte: int) -> InputError:
    """The error for a file in another encoding.

    Args:
        file: the file.
        byte: the first byte that does not fit, from 0.
    """
    return InputError(
        f"{file} cannot be read as text: byte {byte + 1:,} is neither UTF-8, nor UTF-16 after a byte-order mark; save "
        "it as UTF-8 (in Excel: CSV UTF-8)"
    )


def open_unicode(file: Path, limit: int) -> TextIO:
    """Open a text file; line ends are not translated.

    Reading may raise a UnicodeDecodeError, for `not_unicode`.

    Raises:
        InputError: it is not a regular file, is larger than `limit` bytes, or seems to have another encoding.
        OSError: it cannot be read.
    """
    data = read_bytes(file, limit)
    return TextIOWrapper(BytesIO(data), encoding=encoding_of(file, data), newline="")


def read_unicode(file: Path, limit: int) -> str:
    """Read a text file; line ends are not translated.

    Raises:
        InputError: it is not a regular file, is larger than `limit` bytes, or has another encoding.
        OSError: it cannot be read.
    """
    with open_unicode(file, limit) as text:
        try:
            return text.read()
        except UnicodeDecodeError as error:
            raise not_unicode(file, error.start) from None
