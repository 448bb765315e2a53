"""Pictures to import, and real-process runs of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.video.decode import read_frames


def noise(seed: int, size: int = 32) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC))


def write_image(path: Path, image_rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image_rgb[:, :, ::-1])


@pytest.fixture(scope="session")
def faces(smiling: Path) -> list[np.ndarray]:
    """Four frames of a real face, 144 x 192, RGB."""
    return [frame.image for frame in read_frames(smiling, fps=1.0)][:4]


def fabnet_process(*args: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fabnet", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
