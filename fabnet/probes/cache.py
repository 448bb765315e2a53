"""A cache on disk for detected boxes, features and the digests of files."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fabnet.errors import InputError
from fabnet.files.limits import MAX_WEIGHTS_BYTES
from fabnet.files.locks import BusyError
from fabnet.files.numpy_file import map_npy, read_npy
from fabnet.files.output import written_whole
from fabnet.probes.digests import Digests

__all__ = ["Cache"]


class Cache:
    """Arrays on disk, keyed by everything that they depend on.

    Args:
        folder: folder of the files; None: nothing is cached.

    Attributes:
        digests: digests of files, which are read again only if they have changed.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.digests = Digests(None if folder is None else folder / "digests.sqlite")

    def array(self, kind: str, key: Iterable[str], make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a cached array, or compute and cache it.

        Args:
            kind: prefix of the file's name.
            key: everything that the array depends on.
            make: computes the array.
        """
        if self.folder is None:
            return make()
        file = self._file(self.folder, kind, key)
        if file.is_file():
            try:
                return read_npy(file, MAX_WEIGHTS_BYTES)
            except (OSError, InputError):
                file.unlink()
        array = make()
        with suppress(BusyError), written_whole(file, is_internal=True) as partial, partial.open("wb") as stream:
            np.save(stream, array)  # skipped if another command is caching the same array
        return array

    def matrix(
        self, kind: str, key: Iterable[str], num_rows: int, make: Callable[[], Iterator[np.ndarray]]
    ) -> np.ndarray:
        """Return a cached matrix, which may be larger than memory; or compute and cache it.

        Args:
            kind: prefix of the file's name.
            key: everything that the matrix depends on.
            num_rows: N, 1 or more.
            make: computes its rows, some at a time: arrays of (n, ...) with equal dtype.

        Returns:
            (N, ...), memory-mapped and read-only; in memory if nothing is cached, or while another command is caching
            the same.

        Raises:
            OutputError: the disk is full, or writing there is not allowed.
        """
        if self.folder is None:
            return _joined(num_rows, make())
        file = self._file(self.folder, kind, key)
        if file.is_file():
            try:
                return map_npy(file)
            except (OSError, InputError):
                file.unlink()
        try:
            with written_whole(file, is_internal=True) as partial, partial.open("wb") as stream:
                _write(stream, num_rows, make())
        except BusyError:
            return _joined(num_rows, make())
        return map_npy(file)

    def _file(self, folder: Path, kind: str, key: Iterable[str]) -> Path:
        return folder / f"{kind}-{hashlib.sha256(chr(0).join(key).encode()).hexdigest()[:32]}.npy"


def _joined(num_rows: int, parts: Iterator[np.ndarray]) -> np.ndarray:
    """Join parts into one array, without a second copy of them."""
    first = next(parts)
    made = np.empty((num_rows, *first.shape[1:]), first.dtype)
    index = 0
    for part in itertools.chain([first], parts):
        made[index : index + len(part)] = part
        index += len(part)
    return made


def _write(stream: BinaryIO, num_rows: int, parts: Iterator[np.ndarray]) -> None:
    """Write parts as one array in NumPy's format."""
    first = next(parts)
    shape = (num_rows, *first.shape[1:])
    header = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(first.dtype)}
    np.lib.format.write_array_header_1_0(stream, header)
    for part in itertools.chain([first], parts):
        stream.write(np.ascontiguousarray(part, first.dtype).data)
