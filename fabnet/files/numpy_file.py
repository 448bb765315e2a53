"""NumPy files, which are checked before NumPy allocates the memory that their headers ask for."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from fabnet.errors import InputError, first_line
from fabnet.files.archives import open_archive
from fabnet.files.limits import MAX_TABLE_BYTES, open_input

__all__ = ["map_npy", "read_npy", "read_npz"]

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(file: Path, limit: int) -> np.ndarray:
    """Read an array of numbers or text.

    Args:
        file: a file that `numpy.save` wrote.
        limit: upper bound of its size in bytes.

    Raises:
        InputError: it is not such a file, is corrupt or too large, or contains objects.
        OSError: it cannot be read.
    """
    with open_input(file, limit) as stream:
        try:
            size = stream.seek(0, 2)
            stream.seek(0)
            _check_array(stream, size)
            stream.seek(0)
            return np.asarray(np.load(stream, allow_pickle=False))
        except Exception as error:  # the errors of NumPy's header parser have no common base class
            raise InputError(f"{file} is not an array of numbers or text: {first_line(error)}") from error


def map_npy(file: Path) -> np.ndarray:
    """Open an array of numbers or text without reading it: its parts are read when they are used.

    Args:
        file: a file that `numpy.save` wrote, of any size; it must not change while the array is in use.

    Raises:
        InputError: it is not such a file, is corrupt, or contains objects.
        OSError: it cannot be read.
    """
    with open_input(file, None) as stream:
        try:
            size = stream.seek(0, 2)
            stream.seek(0)
            _check_array(stream, size)
            return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray))
        except Exception as error:  # the errors of NumPy's header parser have no common base class
            raise InputError(f"{file} is not an array of numbers or text: {first_line(error)}") from error


def read_npz(file: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Read arrays of numbers or text that `numpy.savez` or `numpy.savez_compressed` wrote.

    Args:
        file: the file, of `MAX_TABLE_BYTES` at most.
        names: names of the arrays to read.

    Raises:
        InputError: it is not such a file, is corrupt, unpacks to too much, contains objects, or lacks an array.
        OSError: it cannot be read.
    """
    with open_input(file, MAX_TABLE_BYTES) as stream:
        try:
            archive = open_archive(stream, 4 * MAX_TABLE_BYTES)
            return {
                name: _member(archive.open(f"{name}.npy"), archive.getinfo(f"{name}.npy").file_size) for name in names
            }
        except Exception as error:  # the errors of NumPy, zipfile and zlib have no common base class
            raise InputError(f"{file} cannot be read: {first_line(error)}") from None


def _member(stream: IO[bytes], size: int) -> np.ndarray:
    _check_array(stream, size)
    stream.seek(0)
    return np.asarray(np.load(stream, allow_pickle=False))


def _check_array(stream: IO[bytes], size: int) -> None:
    """Check that the array that the header describes fits into the bytes that there are."""
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise InputError(f"it has version {version} of the format; expected 1.0 or 2.0")
    shape, _, dtype = HEADERS[version](stream)
    needed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not 0 <= needed <= size:
        raise InputError(f"its header says {shape} {dtype}, which {size:,} bytes cannot hold")
