"""Rows of readings as Arrow batches, and what their table's metadata say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.face_reader import FaceReader
from fabnet.options import Options
from fabnet.reading.canonical import Eyes
from fabnet.reading.read_rows import ReadingRow
from fabnet.version import VERSION

__all__ = ["about_reading", "read_batch"]


def about_reading(eyes: Eyes, options: Options, model: str | Path, detector: str) -> dict[str, str]:
    """Metadata of a table of readings.

    Args:
        eyes: what reads.
        options: of the command.
        model: name of the model.
        detector: name of the detector.
    """
    return {
        "fabnet.version": VERSION, "fabnet.model": str(model), "fabnet.model_digest": eyes.reader.model,
        "fabnet.precision": eyes.encoder.precision, "fabnet.crop": "canonical", "fabnet.detector": detector,
        "fabnet.options": options.to_text(), **eyes.reader.about(),
    }  # fmt: skip


def read_batch(
    rows: Sequence[ReadingRow],
    columns: pa.Schema,
    reader: FaceReader,
    person: Callable[[dict[str, Any]], str | None],
) -> tuple[pa.RecordBatch, dict[str, np.ndarray]]:
    """Rows with their attributes; null where there is no face.

    Args:
        rows: one or more rows.
        columns: from `fabnet.reading.table.schema`.
        reader: what reads the attributes.
        person: gives the person of a row.

    Returns:
        The batch, and the attributes of the rows with a face by column; empty if there is none.
    """
    seen = [row.seen for row in rows if row.seen is not None]
    has_face = np.array([row.seen is not None for row in rows])
    attributes: dict[str, np.ndarray] = {}
    if seen:
        faces = EncodedFaces.joined(seen)
        attributes = reader.columns(faces)
        if "embedding" in columns.names:
            attributes["embedding"] = faces.embeddings
    given = {name: [row.row[name] for row in rows] for name in rows[0].row}
    given["person"] = [person(row.row) for row in rows]
    arrays = []
    for each in columns:
        if each.name in given:
            arrays.append(pa.array(given[each.name], each.type))
        elif each.name in attributes:
            arrays.append(_spread(attributes[each.name], has_face, each.type))
        else:
            arrays.append(pa.nulls(len(rows), each.type))
    return pa.RecordBatch.from_arrays(arrays, schema=columns), attributes


def _spread(values: np.ndarray, has_face: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Values of the rows with a face as a column of all rows."""
    at = np.cumsum(has_face) - 1
    indices = pa.array(np.where(has_face, at, 0), mask=~has_face)
    if pa.types.is_fixed_size_list(kind):
        flat_values = pa.array(np.ascontiguousarray(values, np.float32).ravel())
        return pa.FixedSizeListArray.from_arrays(flat_values, kind.list_size).take(indices)
    return pa.array(list(values) if values.dtype == object else values).cast(kind).take(indices)
