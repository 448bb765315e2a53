"""The columns of `read`, and the names that other tools give to the same quantities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from fabnet.encoders.face_reader import LANDMARKS, FaceReader
from fabnet.errors import InputError
from fabnet.faces.units import UNIT_COLUMNS
from fabnet.reading.columns import split_lists

__all__ = ["PRESENT", "Names", "flat", "renamed", "schema"]

PRESENT = 0.5
"""Probability from which an action unit counts as present."""
Names = Literal["fabnet", "openface", "py-feat"]


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
    """Split lists into columns for CSV: `box_x0` to `box_y1`, `x_0` to `y_67` of the points, `e0` to `e255`."""
    return split_lists(batch, _flat_names)


def _flat_names(field: pa.Field) -> list[tuple[str, int]]:
    """The columns that a list becomes, with their indices in it."""
    name, count = field.name, field.type.list_size
    if name == "embedding":
        return [(f"e{index}", index) for index in range(count)]
    if name == "box_px":
        return [(f"box_{axis}{corner}", 2 * corner + (axis == "y")) for corner in (0, 1) for axis in "xy"]
    return [(f"{axis}_{point}", 2 * point + (axis == "y")) for axis in "xy" for point in range(count // 2)]


def renamed(batch: pa.RecordBatch, names: Names) -> pa.RecordBatch:
    """The columns under another tool's names: those that both have, and nothing else but the file and `in_range`.

    OpenFace gives angles in radians; the pitch of a face that looks down, the yaw of one that turns to its right, and
    the roll of one that tilts clockwise in the picture are positive. An action unit is present (1) or not (0). Py-Feat
    gives angles in degrees, with the pitch of a face that looks up positive and otherwise OpenFace's signs, and the
    probability of a unit. Frames are counted from 0, and a face that was not found has empty cells.

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
"""What makes a column, of one type also for a batch without rows."""
EMOTIONS = {"anger": "anger", "disgust": "disgust", "fear": "fear", "happiness": "happy", "sadness": "sad",
            "surprise": "surprise", "neutral": "neutral"}  # fmt: skip


def _plain(name: str) -> Make:
    return lambda batch: batch.column(name)


def _times(name: str, factor: float) -> Make:
    return lambda batch: pc.multiply(batch.column(name), pa.scalar(factor, pa.float32()))


def _present(name: str) -> Make:
    return lambda batch: pc.cast(pc.greater_equal(batch.column(name), PRESENT), pa.float32())


def _success(batch: pa.RecordBatch) -> pa.Array:
    return pc.cast(pc.is_valid(batch.column("in_range")), pa.int64())


def _element(name: str, index: int) -> Make:
    return lambda batch: pc.list_element(batch.column(name), index)


def _length(low: int, high: int) -> Make:
    """A side of the box."""
    box = "box_px"
    return lambda batch: pc.subtract(_element(box, high)(batch), _element(box, low)(batch))


def _points() -> dict[str, Make]:
    name = f"{LANDMARKS}_px"
    return {f"{axis}_{point}": _element(name, 2 * point + (axis == "y")) for axis in "xy" for point in range(68)}


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
        "pose_Rx": _times("pose_pitch_deg", -RADIAN),
        "pose_Ry": _times("pose_yaw_deg", RADIAN),
        "pose_Rz": _times("pose_roll_deg", -RADIAN),
        **_points(),
        **{f"{unit}_c": _present(unit) for unit in UNIT_COLUMNS},
    },
    "py-feat": {
        "input": _plain("source"),
        "frame": _plain("frame"),
        "approx_time": _plain("time_s"),
        "in_range": _plain("in_range"),
        "FaceRectX": _element("box_px", 0),
        "FaceRectY": _element("box_px", 1),
        "FaceRectWidth": _length(0, 2),
        "FaceRectHeight": _length(1, 3),
        "FaceScore": _plain("score"),
        **_points(),
        "Pitch": _plain("pose_pitch_deg"),
        "Roll": _times("pose_roll_deg", -1),
        "Yaw": _plain("pose_yaw_deg"),
        **{unit: _plain(unit) for unit in UNIT_COLUMNS},
        **{theirs: _plain(f"expression_{ours}") for theirs, ours in EMOTIONS.items()},
    },
}
