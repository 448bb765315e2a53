"""Rows and pictures to fill stores with, and real-process runs of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import TrackStore, create_store
from fabnet.video.decode import read_frames

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


def noise(seed: int, size: int = 32) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC))


def write_image(path: Path, image_rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image_rgb[:, :, ::-1])


@pytest.fixture(scope="session")
def faces(carphone: Path) -> list[np.ndarray]:
    """Four frames of a real face, 144 x 192, RGB."""
    return [frame.image for frame in read_frames(carphone, fps=1.0)][:4]


def fabnet_process(*args: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fabnet", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
