"""The rows of a store, to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fabnet.store.track_store import open_store

__all__ = ["rows_of"]


def rows_of(store: str | Path) -> list[dict[str, Any]]:
    """All rows of a store by video, track and frame."""
    opened = open_store(store)
    rows = opened.read_rows(range(opened.num_rows)).to_pylist()
    return sorted(rows, key=lambda row: (row["video"], row["track"], row["frame"]))
