"""Tables of readings with known curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["made"]


def made(
    times: np.ndarray, *, person: str = "ann", source: str = "talk.mp4", track: str = "0", **curves: Any
) -> pa.Table:
    """A row per time. `in_range` may be among the curves; NaN in a curve is a frame without a face."""
    count = len(times)
    in_range = list(curves.pop("in_range", [True] * count))
    values = {name: np.broadcast_to(np.asarray(each, np.float32), count) for name, each in curves.items()}
    has_face = ~np.isnan(np.array(list(values.values()))).any(axis=0)
    columns: dict[str, Any] = {
        "source": [source] * count,
        "person": pa.array([person if there else None for there in has_face], pa.string()),
        "track": pa.array([track if there else None for there in has_face], pa.string()),
        "frame": pa.array(range(count), pa.int64()),
        "time_s": np.asarray(times, np.float64),
        "score": pa.array(np.full(count, 0.9, np.float32)),
        "in_range": pa.array(
            [fine if there else None for fine, there in zip(in_range, has_face, strict=True)], pa.bool_()
        ),
        "out_of_range": pa.array(["" if fine else "turned" for fine in in_range]),
    }
    return pa.table(columns | {name: pa.array(each, mask=np.isnan(each)) for name, each in values.items()})
