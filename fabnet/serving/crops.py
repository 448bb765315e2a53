"""The crops of an embeddings dataset's faces, read from the track store that was embedded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fabnet.errors import StoreError
from fabnet.files.lance_manifests import state_of
from fabnet.serving.catalogue import Catalogue
from fabnet.store.evenly import evenly
from fabnet.store.track_store import open_store

__all__ = ["Crops"]

KEY = ("video", "track", "frame")
TRIED = 64
"""Faces that are looked for in a store, to see that it is the embedded one."""


class Crops:
    """The largest available pictures of faces: the crop in a store, else the thumbnail in the dataset.

    A face is found in the store by its video, track and frame. Sixteen bytes per crop of the store are kept in memory.

    Args:
        catalogue: the faces.
        store: the track store; None: only thumbnails.

    Raises:
        StoreError: the store does not exist, or contains none of the faces.
    """

    def __init__(self, catalogue: Catalogue, store: Path | None) -> None:
        self._catalogue, self._path = catalogue, store
        self._state = None if store is None else state_of(store)
        self._store = None if store is None else open_store(store)
        if self._store is None:
            return
        rows = (row for batch in self._store.batches(KEY) for row in batch.to_pylist())
        keys = np.fromiter((_key(*row.values()) for row in rows), dtype=np.uint64)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        some = catalogue.faces[evenly(len(catalogue.faces), TRIED)]
        if all(self._of_store(row) is None for row in some.tolist()):
            raise StoreError(f"{store} has none of the faces of {catalogue.gallery.path}: give the embedded store")

    @classmethod
    def reopened(cls, catalogue: Catalogue, store: Path | None) -> Crops:
        """The crops of a store that may have lost the faces or been deleted; thumbnails are shown in that case."""
        state = None if store is None else state_of(store)
        try:
            return cls(catalogue, store)
        except StoreError:
            found = cls(catalogue, None)
            found._path, found._state = store, state
            return found

    def is_current(self) -> bool:
        """Whether the store's row numbers are the same as when it was opened."""
        state = None if self._path is None else state_of(self._path)
        if state != self._state:
            if self._store is None:
                return False
            try:
                self._store.refresh()
            except StoreError:
                return False
            self._state = state
        return True

    def jpeg(self, row: int) -> bytes | None:
        """A row's face as JPEG; None if it has no face."""
        thumbnail = self._catalogue.thumbnail(row)
        return (self._of_store(row) or thumbnail) if thumbnail is not None else None

    def _of_store(self, row: int) -> bytes | None:
        if self._store is None:
            return None
        face = self._catalogue.gallery.take([row], KEY)[0]
        key = np.uint64(_key(**face))
        index = int(np.searchsorted(self._keys, key))
        if index == len(self._keys) or self._keys[index] != key:
            return None
        found = self._store.read_rows([int(self._order[index])], [*KEY, "image"]).to_pylist()[0]
        return bytes(found["image"]) if all(found[name] == face[name] for name in KEY) else None


def _key(video: str, track: str, frame: int) -> int:
    digest = hashlib.blake2b(f"{video}\0{track}\0{frame}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
