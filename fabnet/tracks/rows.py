"""Rows of a track store, from faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from fabnet.tracks.store import ROW_SCHEMA

__all__ = ["encode_jpeg", "make_batch"]


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """An (H, W, 3) uint8 RGB image as a JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return bytes(data.tobytes())


def make_batch(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows with the columns of a track store as a record batch."""
    return pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=ROW_SCHEMA)
