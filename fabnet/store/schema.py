"""The rows of a track store, and the store's metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError, StoreError
from fabnet.version import VERSION

__all__ = [
    "ROW_SCHEMA",
    "SPLITS",
    "STORE_VERSION",
    "Row",
    "check_columns",
    "check_split",
    "check_version",
    "metadata_of",
    "rows_to_batch",
]

STORE_VERSION = "1"
SPLITS = ("train", "val", "test")

ROW_SCHEMA = pa.schema(
    [
        pa.field("identity", pa.string(), nullable=False),
        pa.field("video", pa.string(), nullable=False),
        pa.field("track", pa.string(), nullable=False),
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("time_s", pa.float64()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("box_px", pa.list_(pa.float32(), 4)),
        pa.field("crop_box_px", pa.list_(pa.float32(), 4)),
        pa.field("landmarks5_px", pa.list_(pa.float32(), 10)),
        pa.field("score", pa.float32()),
        pa.field("split", pa.string(), nullable=False),
        pa.field("image", pa.binary(), nullable=False),
    ]
)
"""One row per face crop. Boxes and points are in pixels of the source frame; unknown values are null (ready crops have
no detection, folders of frames no time). `image` is an RGB JPEG of the size in the crop specification."""


@dataclass(frozen=True, slots=True)
class Row:
    """A face crop to add to a store."""

    identity: str
    """Identity of the person."""
    video: str
    """Name of the video, unique in the store."""
    track: str
    """Name of the track, unique in its video."""
    frame: int
    """Number of the frame in decode order, or its index in the track if the input is a folder of frames."""
    time_s: float | None
    """Seconds from the start of the video; None: unknown."""
    source: str
    """Source file, relative to the folder given, with forward slashes."""
    split: str
    """train, val or test."""
    image: bytes
    """RGB JPEG."""
    crop_box_px: np.ndarray | None = None
    """(4,) float32 x0, y0, x1, y1: the part of the source frame that the crop shows."""
    box_px: np.ndarray | None = None
    """(4,) float32 x0, y0, x1, y1: the face's box."""
    landmarks5_px: np.ndarray | None = None
    """(5, 2) float32: five points of the face."""
    score: float | None = None
    """Confidence that it is a face, 0 to 1."""


def rows_to_batch(rows: Sequence[Row]) -> pa.RecordBatch:
    """Convert rows to an Arrow batch of `ROW_SCHEMA`."""
    columns = []
    for field in ROW_SCHEMA:
        values = [getattr(row, field.name) for row in rows]
        if pa.types.is_fixed_size_list(field.type):
            values = [None if v is None else np.asarray(v, np.float32).reshape(-1) for v in values]
        columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=ROW_SCHEMA)


def metadata_of(crop: dict[str, Any], settings: dict[str, Any]) -> dict[str, str]:
    """The schema metadata of a new store.

    Args:
        crop: crop specification, as plain JSON values.
        settings: settings of the command, as plain JSON values.
    """
    return {
        "fabnet.store_version": STORE_VERSION,
        "fabnet.created_by": f"fabnet {VERSION}",
        "fabnet.crop": json.dumps(crop, sort_keys=True),
        "fabnet.settings": json.dumps(settings, sort_keys=True),
    }


def check_split(split: str | None) -> None:
    """Refuse a name that is not a split; None stands for all splits.

    Raises:
        InputError: there is no such split.
    """
    if split is not None and split not in SPLITS:
        raise InputError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")


def check_version(path: object, metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    """Read a store's metadata, refusing stores that this version cannot read.

    Raises:
        StoreError: the dataset is not a track store, or has another store version.
    """
    found = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in (metadata or {}).items()}
    version = found.get("fabnet.store_version")
    if version is None:
        raise StoreError(
            f"{path} is a Lance dataset but not a track store (it has no fabnet.store_version): "
            "give a store that `fabnet track` or `fabnet import` made"
        )
    if version != STORE_VERSION:
        maker = found.get("fabnet.created_by", "an unknown program")
        raise StoreError(
            f"{path} has store version {version} (made by {maker}); expected version {STORE_VERSION}: "
            "update fabnet, or make the store again with this version"
        )
    for name in ("fabnet.crop", "fabnet.settings"):
        try:
            content = json.loads(found.get(name, "{}"))
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise StoreError(f"{path} is corrupt: {name} is {found[name][:40]!r}; make it again")
    return found


def check_columns(path: object, found: pa.Schema) -> None:
    """Refuse a dataset without the columns of a track store, which would fail later or give wrong results.

    Args:
        path: path of the dataset, for the message.
        found: its schema, which may have further columns.

    Raises:
        StoreError: a column is missing, has another type, or may be null where a value is required.
    """
    missing = set(ROW_SCHEMA.names) - set(found.names)
    if missing:
        raise StoreError(f"{path} lacks the columns {', '.join(sorted(missing))}: make the store again")
    for expected in ROW_SCHEMA:
        other = found.field(expected.name)
        if other.type != expected.type or (other.nullable and not expected.nullable):
            raise StoreError(
                f"{path} has a column {_described(other)}; expected {_described(expected)}, as `fabnet track` writes: "
                "make the store again"
            )


def _described(field: pa.Field) -> str:
    return f"{field.name} ({field.type}, {'may' if field.nullable else 'must not'} be null)"
