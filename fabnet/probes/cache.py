"""What is computed once and kept: detected boxes, and features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.limits import MAX_WEIGHTS_BYTES
from fabnet.locks import BusyError
from fabnet.numpy_file import read_npy
from fabnet.output import written_whole

__all__ = ["Cache"]


class Cache:
    """Arrays on disk by what they were made from.

    Args:
        folder: where they lie; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def array(self, kind: str, key: Iterable[str], make: Callable[[], np.ndarray]) -> np.ndarray:
        """Give an array that was made before, or make it.

        Args:
            kind: a word that its file's name begins with.
            key: everything that it depends on.
            make: how it is made.
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
            np.save(stream, array)  # unless another command keeps the same array at this moment
        return array
