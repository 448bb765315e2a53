"""Counts of what a store contains."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.store.schema import SPLITS
from fabnet.store.split import MOMENTS
from fabnet.store.track_store import TrackStore, open_store

__all__ = ["StoreSummary", "split_notes", "store_summary"]


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """The counts of a store."""

    path: str
    """Folder of the store."""
    store_version: str
    """Version of the store's format."""
    created_by: str
    """Program that made the store."""
    rows: int
    """Number of face crops."""
    tracks: int
    """Number of tracks; with `moments` the two parts of a track count as two."""
    videos: int
    """Number of videos with a face."""
    identities: int
    """Number of identities; as many as tracks if each track is its own identity."""
    short_tracks: int
    """Number of tracks of one row, which cannot be trained on."""
    splits: dict[str, dict[str, int]]
    """Rows, tracks and identities of train, val and test."""
    inputs: dict[str, int]
    """Number of inputs in the ledger by status: ok, no-face, failed, partial, removed."""
    num_dropped: int
    """Number of frames of folders that were left out; the ledger has the reasons."""
    crop: dict[str, Any]
    """Crop specification."""
    settings: dict[str, Any]
    """Settings of the command that made the store."""

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def store_summary(store: TrackStore | Path | str) -> StoreSummary:
    """Count what a store contains.

    Raises:
        StoreError: the store is missing, corrupt or of another version.
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


def split_notes(summary: StoreSummary) -> list[str]:
    """Notes for the user about a store's splits and short tracks, one line each."""
    notes = []
    if summary.settings.get("splits") == MOMENTS:
        notes.append("validation is on other moments of the same tracks, not on other people (--splits moments)")
    elif summary.settings.get("identities") == "video" and summary.videos > 1:
        notes.append(
            "each track counts as a person of its own, split by video: a person in two videos may be in both train and "
            "test; name the people with --identities folder or FILE.csv"
        )
    if summary.short_tracks:
        notes.append(f"{summary.short_tracks:,} tracks have only one frame: they are kept, but cannot be trained on")
    empty = [name for name in ("train", "val") if not summary.splits[name]["rows"]]
    if empty:
        notes.append(f"nobody is in {' and '.join(empty)}: add videos, give --splits FILE.csv, or use --splits moments")
    return notes
