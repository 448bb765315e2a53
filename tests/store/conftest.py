"""Rows for stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import TrackStore, create_store

CROP: dict[str, Any] = {"size": 8}


def a_row(video: str = "v", track: str = "0", frame: int = 0, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "identity": "p", "video": video, "track": track, "frame": frame, "time_s": float(frame), "source": video,
        "split": "train", "image": f"{video}/{track}/{frame}".encode(),
        "crop_box_px": np.array([0, 0, 8, 8], np.float32),
    }  # fmt: skip
    return Row(**{**values, **changes})


def fill(store: TrackStore, video: str, tracks: int = 2, frames: int = 3, **changes: Any) -> None:
    rows = [a_row(video, str(track), frame, **changes) for track in range(tracks) for frame in range(frames)]
    entry = LedgerEntry(video, video, "ok", frames_kept=frames, tracks=tracks, rows=len(rows))
    store.append([rows_to_batch(rows)], [entry])


@pytest.fixture
def store(tmp_path: Path) -> TrackStore:
    return create_store(tmp_path / "s.lance", crop=CROP)
