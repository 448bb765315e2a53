"""Files of safetensors, looked at before they are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fabnet.errors import InputError
from fabnet.limits import MAX_WEIGHTS_BYTES, check_file, open_input

if TYPE_CHECKING:
    import torch

__all__ = ["bytes_of", "check_safetensors"]

MAX_HEADER_BYTES = 2**24
"""Of the JSON in front, which lists the tensors: some hundred thousand."""
BYTES_A_NUMBER = 8


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """How large a file of tensors of these shapes can be, header included, whatever type its numbers have."""
    return BYTES_A_NUMBER * sum(tensor.numel() for tensor in tensors) + 2**20


def check_safetensors(file: Path, limit: int = MAX_WEIGHTS_BYTES) -> None:
    """Refuse a file that is too large or whose header is; one that is not there passes.

    The library holds the header's numbers against the size of the file, and takes memory for that size: even where the
    file has holes and takes no space on the disk.

    Args:
        file: on this machine.
        limit: bytes.

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
