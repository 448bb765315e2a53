"""What stores and embeddings datasets have in common: their kind, their files, and removals that broke off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fabnet.errors import StoreError
from fabnet.files.limits import read_text
from fabnet.files.output import unlink, written_whole
from fabnet.files.places import is_remote
from fabnet.retrieval.gallery import Gallery
from fabnet.store.index import TrackIndex
from fabnet.store.track_store import is_store, open_store
from fabnet.store.writing import REMOVING

__all__ = ["counts_by_video", "disk_use", "kind_of", "note_removing", "removing"]


def kind_of(path: Path) -> Literal["store", "embeddings"]:
    """Say what lies at a path.

    Raises:
        StoreError: neither a track store nor an embeddings dataset, damaged, or of another version.
    """
    if is_store(path):
        open_store(path)
        return "store"
    Gallery(path)
    return "embeddings"


def disk_use(path: Path) -> tuple[int, int]:
    """Count the files under a folder, and their bytes."""
    if is_remote(path):
        client: Any = path  # one listing; `is_file` and `stat` would be two requests an object
        sizes = [info["size"] for info in client.fs.find(client.path, detail=True).values()]
        return len(sizes), sum(sizes)
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def counts_by_video(index: TrackIndex) -> dict[str, tuple[int, int]]:
    """Rows and tracks of each video of an index."""
    videos, places = np.unique(index.video, return_inverse=True)
    places = places.reshape(-1)
    rows = np.bincount(places, weights=index.lengths, minlength=len(videos)).astype(int).tolist()
    tracks = np.bincount(places, minlength=len(videos)).tolist()
    return dict(zip(videos.tolist(), zip(rows, tracks, strict=True), strict=True))


def removing(path: Path) -> list[str]:
    """The identities of a removal that was begun and did not reach its end.

    Raises:
        StoreError: what says so is damaged.
    """
    file = path / REMOVING
    if not file.is_file():
        return []
    try:
        return [str(name) for name in json.loads(read_text(file))["identities"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreError(
            f"{file} is damaged: a removal broke off; delete the file and remove the people again"
        ) from None


def note_removing(path: Path, identities: list[str]) -> None:
    """Note whose rows are about to go, or, with none, that all are gone.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    if not identities:
        unlink(path / REMOVING)
        return
    with written_whole(path / REMOVING) as partial:
        partial.write_text(json.dumps({"identities": identities}), encoding="utf-8")
