"""Checks safetensors files before they are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fabnet.errors import InputError
from fabnet.files.limits import MAX_WEIGHTS_BYTES, check_file, open_input

if TYPE_CHECKING:
    import torch

__all__ = ["bytes_of", "check_safetensors"]

MAX_HEADER_BYTES = 2**24
"""Upper bound of the JSON header that lists the tensors: enough for some hundred thousand."""
BYTES_A_NUMBER = 8


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Upper bound of the size of a file with tensors of these shapes, header included, for any dtype."""
    return BYTES_A_NUMBER * sum(tensor.numel() for tensor in tensors) + 2**20


def check_safetensors(file: Path, limit: int = MAX_WEIGHTS_BYTES) -> None:
    """Refuse a file that is too large or has too large a header; a missing file passes.

    The library checks the header against the size of the file, and allocates memory for that size, even if the file is
    sparse and takes no space on the disk.

    Args:
        file: local path.
        limit: upper bound in bytes.

    Raises:
        InputError: it is not a regular file, or it or its header is too large.
        OSError: it cannot be read.
    """
    if not file.exists():
        return
    check_file(file, min(limit, MAX_WEIGHTS_BYTES))
    with open_input(file, limit) as stream:
        header = int.from_bytes(stream.read(8), "little")
    if header > MAX_HEADER_BYTES:
        raise InputError(f"{file} has a header of {header:,} bytes; the limit is {MAX_HEADER_BYTES:,}")
