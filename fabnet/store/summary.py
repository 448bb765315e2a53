"""What a store holds, counted."""

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


def split_notes(summary: StoreSummary) -> list[str]:
    """Say what one should know of a store's splits and short tracks, a line each."""
    notes = []
    if summary.settings.get("splits") == MOMENTS:
        notes.append("validation is on other moments of the same tracks, not on other people (--splits moments)")
    elif summary.settings.get("identities") == "video" and summary.videos > 1:
        notes.append(
            "each track counts as a person of its own, split by video: somebody who is in two videos may be trained on "
            "and tested on; say who is who with --identities folder or FILE.csv"
        )
    if summary.short_tracks:
        notes.append(f"{summary.short_tracks:,} tracks have one frame only: kept, but nothing to train on")
    empty = [name for name in ("train", "val") if not summary.splits[name]["rows"]]
    if empty:
        notes.append(
            f"nobody fell into {' and '.join(empty)}: add videos, give --splits FILE.csv, or use --splits moments"
        )
    return notes
