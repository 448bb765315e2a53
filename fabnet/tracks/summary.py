"""What a store holds, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.tracks.schema import SPLITS
from fabnet.tracks.store import TrackStore, open_store

__all__ = ["StoreSummary", "store_summary"]


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """The counts of a store."""

    path: str
    """Folder of the store."""
    store_version: str
    """Version of its form."""
    created_by: str
    """What made it."""
    rows: int
    """Face crops."""
    tracks: int
    """Tracks; with `moments` the two parts of a track count as two."""
    videos: int
    """Videos with a face."""
    identities: int
    """Identities; where every track is its own, as many as tracks."""
    short_tracks: int
    """Tracks of one row: nothing to train on."""
    splits: dict[str, dict[str, int]]
    """Rows, tracks and identities of train, val and test."""
    inputs: dict[str, int]
    """Inputs in the ledger by status: ok, no-face, failed, partial."""
    num_dropped: int
    """Frames of folders that were left out, each with its reason in the ledger."""
    crop: dict[str, Any]
    """The crop specification."""
    settings: dict[str, Any]
    """What the command that made it was told."""

    def to_json(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        return asdict(self)


def store_summary(store: TrackStore | Path | str) -> StoreSummary:
    """Count what a store holds.

    Raises:
        StoreError: it is missing, damaged or of another version.
    """
    store = store if isinstance(store, TrackStore) else open_store(store)
    index = store.index(min_frames=1)
    ledger = store.ledger().values()
    splits = {}
    for name in SPLITS:
        part = index.select(name)
        splits[name] = {
            "rows": part.num_rows,
            "tracks": len(part),
            "identities": len(np.unique(part.identity)),
        }
    return StoreSummary(
        path=str(store.path),
        store_version=store.metadata["fabnet.store_version"],
        created_by=store.metadata.get("fabnet.created_by", ""),
        rows=index.num_rows,
        tracks=len(index),
        videos=len(np.unique(index.video)),
        identities=len(np.unique(index.identity)),
        short_tracks=int((index.lengths < 2).sum()),
        splits=splits,
        inputs=dict(sorted(Counter(entry.status for entry in ledger).items())),
        num_dropped=sum(len(entry.dropped) for entry in ledger),
        crop=store.crop,
        settings=store.settings,
    )
