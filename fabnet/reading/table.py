"""The columns of `read`, and the names that other tools give to the same quantities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pyarrow as pa

from fabnet.encoders.face_reader import LANDMARKS, FaceReader
from fabnet.errors import InputError

__all__ = ["Names", "flat", "renamed", "schema"]

Names = Literal["fabnet", "openface", "py-feat"]
PRESENT = 0.5
"""Probability of an action unit from which OpenFace's `AU01_c` is 1."""


def schema(reader: FaceReader, *, embedding_dim: int | None, about: dict[str, str]) -> pa.Schema:
    """The columns of a table of readings.

    Args:
        reader: what reads the attributes.
        embedding_dim: D; None: without embeddings.
        about: metadata.
    """
    return pa.schema(
        [
            ("source", pa.string()),
            ("person", pa.string()),
            ("track", pa.string()),
            ("frame", pa.int64()),
            ("time_s", pa.float64()),
            ("score", pa.float32()),
            ("box_px", pa.list_(pa.float32(), 4)),
            ("reason", pa.string()),
            *reader.fields(),
            *([("embedding", pa.list_(pa.float32(), embedding_dim))] if embedding_dim else []),
        ],
        metadata=about,
    )


def flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Lists as columns of their own, for CSV: `box_x0` to `box_y1`, `x_0` to `y_67` of the points, `e0` to `e255`."""
    columns: dict[str, pa.Array] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if not pa.types.is_fixed_size_list(field.type):
            columns[field.name] = column
            continue
        count = field.type.list_size
        values = np.full((len(column), count), np.nan, np.float32)
        is_there = np.asarray(column.is_valid())
        values[is_there] = np.asarray(column.drop_null().flatten()).reshape(-1, count)
        for name, place in _flat_names(field.name, count):
            columns[name] = pa.array(values[:, place], mask=~is_there)
    return pa.RecordBatch.from_pydict(columns).replace_schema_metadata(batch.schema.metadata)


def _flat_names(name: str, count: int) -> list[tuple[str, int]]:
    """The columns that a list becomes, with their places in it."""
    if name == "embedding":
        return [(f"e{place}", place) for place in range(count)]
    if name == "box_px":
        return [(f"box_{axis}{corner}", 2 * corner + (axis == "y")) for corner in (0, 1) for axis in "xy"]
    return [(f"{axis}_{point}", 2 * point + (axis == "y")) for axis in "xy" for point in range(count // 2)]


def renamed(batch: pa.RecordBatch, names: Names) -> pa.RecordBatch:
    """The columns under another tool's names: those that both have, and nothing else but `source` and `in_range`.

    OpenFace gives angles in radians, with the pitch of a face that looks down and the yaw of one that turns to its left
    positive, and an action unit as present or not. Py-Feat gives angles in degrees, with OpenFace's signs, and the
    probability of a unit.

    Args:
        batch: with fabnet's columns.
        names: whose names.

    Raises:
        InputError: there is no such tool.
    """
    if names == "fabnet":
        return batch
    if names not in TOOLS:
        raise InputError(f"columns must be fabnet, {' or '.join(TOOLS)}; got {names!r}")
    columns = {name: make(batch) for name, make in TOOLS[names].items()}
    return pa.RecordBatch.from_pydict(columns).replace_schema_metadata(batch.schema.metadata)


Make = Callable[[pa.RecordBatch], pa.Array]
UNITS = ("AU01", "AU02", "AU04", "AU05", "AU06", "AU09", "AU12", "AU17", "AU20", "AU25", "AU26")
EMOTIONS = {"anger": "anger", "disgust": "disgust", "fear": "fear", "happiness": "happy", "sadness": "sad",
            "surprise": "surprise", "neutral": "neutral"}  # fmt: skip


def _plain(name: str, factor: float = 1.0) -> Make:
    def make(batch: pa.RecordBatch) -> pa.Array:
        column = batch.column(name)
        return column if factor == 1 else pa.array(np.asarray(column.to_numpy(zero_copy_only=False)) * factor)

    return make


def _present(name: str) -> Make:
    def make(batch: pa.RecordBatch) -> pa.Array:
        return pa.array(
            [None if value is None else float(value >= PRESENT) for value in batch.column(name).to_pylist()]
        )

    return make


def _success(batch: pa.RecordBatch) -> pa.Array:
    return pa.array([0 if value is None else 1 for value in batch.column("in_range").to_pylist()])


def _point(place: int) -> Make:
    def make(batch: pa.RecordBatch) -> pa.Array:
        return pa.array([None if each is None else each[place] for each in batch.column(f"{LANDMARKS}_px").to_pylist()])

    return make


def _box(place: int, less: int | None = None) -> Make:
    def make(batch: pa.RecordBatch) -> pa.Array:
        boxes = batch.column("box_px").to_pylist()
        return pa.array(
            [None if box is None else box[place] - (0 if less is None else box[less]) for box in boxes], pa.float32()
        )

    return make


def _points(template: str) -> dict[str, Make]:
    return {template.format(axis, point): _point(2 * point + (axis == "y")) for axis in "xy" for point in range(68)}


RADIAN = math.pi / 180
TOOLS: dict[str, dict[str, Make]] = {
    "openface": {
        "source": _plain("source"),
        "frame": _plain("frame"),
        "face_id": _plain("track"),
        "timestamp": _plain("time_s"),
        "confidence": _plain("score"),
        "success": _success,
        "in_range": _plain("in_range"),
        "pose_Rx": _plain("pose_pitch_deg", -RADIAN),
        "pose_Ry": _plain("pose_yaw_deg", RADIAN),
        "pose_Rz": _plain("pose_roll_deg", -RADIAN),
        **_points("{}_{}"),
        **{f"{unit}_c": _present(unit) for unit in UNITS},
    },
    "py-feat": {
        "input": _plain("source"),
        "frame": _plain("frame"),
        "approx_time": _plain("time_s"),
        "in_range": _plain("in_range"),
        "FaceRectX": _box(0),
        "FaceRectY": _box(1),
        "FaceRectWidth": _box(2, 0),
        "FaceRectHeight": _box(3, 1),
        "FaceScore": _plain("score"),
        **_points("{}_{}"),
        "Pitch": _plain("pose_pitch_deg", -1),
        "Roll": _plain("pose_roll_deg", -1),
        "Yaw": _plain("pose_yaw_deg"),
        **{unit: _plain(unit) for unit in UNITS},
        **{theirs: _plain(f"expression_{ours}") for theirs, ours in EMOTIONS.items()},
    },
}
