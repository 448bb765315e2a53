"""The columns of `read`: their names in CSV, and those of other tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fabnet.encoders.load_encoder import load
from fabnet.errors import InputError
from fabnet.reading.table import TOOLS, flat, renamed, schema

POSE = {"pose_pitch_deg": 10.0, "pose_yaw_deg": -20.0, "pose_roll_deg": 30.0}
POINTS = [float(number) for number in range(136)]


def batch(*rows: dict[str, Any] | None) -> pa.RecordBatch:
    """Rows of the shipped reader's columns; None: no face."""
    reader = load("base").reader
    assert reader is not None
    columns = schema(reader, embedding_dim=3, about={"fabnet.version": "0"})
    empty = {"source": "a.mp4", "frame": 7, "time_s": 0.28, "reason": ""}
    face = {
        "track": "1", "score": 0.9, "box_px": [1.0, 2.0, 11.0, 22.0], "in_range": True, "landmarks68_px": POINTS,
        "AU01": 0.5, "AU02": 0.49, "expression_happy": 0.7, "embedding": [1.0, 2.0, 3.0], **POSE,
    }  # fmt: skip
    made = [empty | {"reason": "no face found"} if row is None else empty | face | row for row in rows]
    return pa.RecordBatch.from_pylist(made, schema=columns)


def test_lists_are_columns_in_csv() -> None:
    made = flat(batch({}, None)).to_pylist()
    points = {f"{axis}_{point}": 2.0 * point + (axis == "y") for point in range(68) for axis in "xy"}
    expected = points | {"box_x0": 1, "box_y0": 2, "box_x1": 11, "box_y1": 22, "e0": 1, "e1": 2, "e2": 3}
    assert {name: made[0][name] for name in expected} == expected
    assert all(made[1][name] is None for name in expected)
    names = flat(batch()).schema.names
    assert [name for name in names if name.startswith("x_")] == [f"x_{point}" for point in range(68)]
    assert names.index("y_0") == names.index("x_67") + 1
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", list(TOOLS))
@pytest.mark.parametrize("rows", [(), (None,), ({},), ({}, None, {})])
def test_types_are_the_same_with_and_without_faces(kind: Any, rows: tuple[dict[str, Any] | None, ...]) -> None:
    made, whole = renamed(batch(*rows), kind), renamed(batch({}), kind)
    assert made.schema == whole.schema
    assert len(made) == len(rows)
    assert not any(pa.types.is_null(field.type) for field in whole.schema)
    assert made.schema.metadata == {b"fabnet.version": b"0"}


def test_openface() -> None:
    face, none = renamed(batch({}, None), "openface").to_pylist()
    angles = [face[f"pose_R{axis}"] for axis in "xyz"]  # down, to the person's right, clockwise
    assert angles == pytest.approx(np.radians([-10, -20, -30]))
    assert [face[name] for name in ("frame", "face_id", "success", "in_range")] == [7, "1", 1, True]
    assert face["timestamp"] == 0.28
    assert face["confidence"] == pytest.approx(0.9)
    assert (face["AU01_c"], face["AU02_c"]) == (1, 0)
    assert [face["x_67"], face["y_67"]] == [134, 135]
    assert not any(name.endswith("_r") for name in face)
    assert none["success"] == 0
    assert none["pose_Rx"] is none["AU01_c"] is none["x_0"] is None


def test_py_feat() -> None:
    face, none = renamed(batch({}, None), "py-feat").to_pylist()
    assert [face[name] for name in ("Pitch", "Yaw", "Roll")] == [10, -20, -30]  # up, to the person's right, clockwise
    assert [face[f"FaceRect{name}"] for name in ("X", "Y", "Width", "Height")] == [1, 2, 10, 20]
    assert face["FaceScore"] == pytest.approx(0.9)
    assert [face["AU01"], face["AU02"], face["happiness"]] == pytest.approx([0.5, 0.49, 0.7])
    assert none["FaceRectWidth"] is none["Pitch"] is None


def test_our_own_and_unknown_names() -> None:
    made = batch({})
    assert renamed(made, "fabnet") is made
    wrong: Any = "feat"
    with pytest.raises(InputError, match=r"fabnet, openface or py-feat; got 'feat'"):
        renamed(made, wrong)
