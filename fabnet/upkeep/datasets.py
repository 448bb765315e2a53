"""Functions for both stores and embeddings datasets: their kind, their files, and interrupted removals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fabnet.errors import StoreError
from fabnet.files.lance import has_dataset
from fabnet.files.lance_lock import REMOVING
from fabnet.files.limits import read_text
from fabnet.files.output import unlink, written_whole
from fabnet.files.places import is_remote
from fabnet.retrieval.gallery import Gallery
from fabnet.store.index import TrackIndex
from fabnet.store.track_store import is_store, open_store

__all__ = ["counts_by_video", "disk_use", "kind_of", "note_removing", "removing"]


def kind_of(path: Path) -> Literal["store", "embeddings"]:
    """The kind of the dataset at a path.

    Raises:
        StoreError: it is neither a track store nor an embeddings dataset, is corrupt, or has another version.
    """
    if is_store(path):
        open_store(path)
        return "store"
    if not path.exists():
        raise StoreError(f"there is nothing at {path}; expected a track store or an embeddings dataset")
    if not has_dataset(path):
        raise StoreError(f"{path} is neither a track store nor an embeddings dataset")
    Gallery(path)
    return "embeddings"


def disk_use(path: Path) -> tuple[int, int]:
    """The number of files below a folder, and their total size in bytes."""
    if is_remote(path):
        client: Any = path  # one listing, because `is_file` and `stat` would take two requests per object
        sizes = [info["size"] for info in client.fs.find(client.path, detail=True).values()]
        return len(sizes), sum(sizes)
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def counts_by_video(index: TrackIndex) -> dict[str, tuple[int, int]]:
    """Number of rows and of tracks of each video of an index."""
    videos, indices = np.unique(index.video, return_inverse=True)
    indices = indices.reshape(-1)
    rows = np.bincount(indices, weights=index.lengths, minlength=len(videos)).astype(int).tolist()
    tracks = np.bincount(indices, minlength=len(videos)).tolist()
    return dict(zip(videos.tolist(), zip(rows, tracks, strict=True), strict=True))


def removing(path: Path) -> list[str]:
    """The identities of an interrupted removal; empty if there is none.

    Raises:
        StoreError: the file that lists them is corrupt.
    """
    file = path / REMOVING
    if not file.is_file():
        return []
    try:
        return [str(name) for name in json.loads(read_text(file))["identities"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreError(
            f"{file} is corrupt: a removal was interrupted; delete the file and remove the people again"
        ) from None


def note_removing(path: Path, identities: list[str]) -> None:
    """Write down whose rows are being removed; an empty list says that the removal is finished.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    if not identities:
        unlink(path / REMOVING)
        return
    with written_whole(path / REMOVING, is_internal=True) as partial:
        partial.write_text(json.dumps({"identities": identities}), encoding="utf-8")
