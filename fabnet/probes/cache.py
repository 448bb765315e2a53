"""A cache on disk for detected boxes and features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.files.limits import MAX_WEIGHTS_BYTES
from fabnet.files.locks import BusyError
from fabnet.files.numpy_file import read_npy
from fabnet.files.output import written_whole

__all__ = ["Cache"]


class Cache:
    """Arrays on disk, keyed by everything that they depend on.

    Args:
        folder: folder of the files; None: nothing is cached.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def array(self, kind: str, key: Iterable[str], make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a cached array, or compute and cache it.

        Args:
            kind: prefix of the file's name.
            key: everything that the array depends on.
            make: computes the array.
        """
        if self.folder is None:
            return make()
        digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
        file = self.folder / f"{kind}-{digest}.npy"
        if file.is_file():
            try:
                return read_npy(file, MAX_WEIGHTS_BYTES)
            except (OSError, InputError):
                file.unlink()
        array = make()
        with suppress(BusyError), written_whole(file) as partial, partial.open("wb") as stream:
            np.save(stream, array)  # skipped if another command is caching the same array
        return array
