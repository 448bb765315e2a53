"""A face to embed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fabnet.video.decode import read_frames


@pytest.fixture
def face_image(smiling: Path) -> np.ndarray:
    """(144, 192, 3) uint8 RGB image of one man."""
    return next(read_frames(smiling)).image
