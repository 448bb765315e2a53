"""The columns of an embeddings dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.encoders.face_reader import LANDMARKS
from fabnet.errors import InputError

__all__ = ["VERSION_KEY", "Row", "check_attributes", "flat_names", "schema", "split_lists"]

Row = dict[str, Any]
VERSION_KEY = b"fabnet.embeddings_version"
ADDED = r"e\d+|rank|row|similarity|_distance|_rowaddr|_rowid"
"""Columns that CSV has instead of `embedding`, and those that a search adds."""


def schema(
    embedding_dim: int,
    attributes: Sequence[pa.Field] = (),
    *,
    thumbnails: bool = False,
    about: Mapping[str, str] | None = None,
) -> pa.Schema:
    """Columns of an embeddings dataset; `reason` says why a row has no embedding, and is empty otherwise."""
    return pa.schema(
        [
            ("id", pa.string()),
            ("identity", pa.string()),
            ("video", pa.string()),
            ("track", pa.string()),
            ("frame", pa.int64()),
            ("time_s", pa.float64()),
            ("source", pa.string()),
            ("box_px", pa.list_(pa.float32(), 4)),
            ("score", pa.float32()),
            ("reason", pa.string()),
            *attributes,
            *([("thumbnail", pa.binary())] if thumbnails else []),
            ("embedding", pa.list_(pa.float32(), embedding_dim)),
        ],
        metadata={VERSION_KEY.decode(): "1", **(about or {})},
    )


def check_attributes(attributes: Sequence[pa.Field]) -> None:
    """Check that the columns of probes can be added to the other columns in every format.

    Args:
        attributes: the probes' columns.

    Raises:
        InputError: a column's name is reserved, duplicate or invalid.
    """
    own = {name for field in schema(0, thumbnails=True) for name in (field.name, *flat_names(field))}
    names = [name for field in attributes for name in (field.name, *flat_names(field))]
    for name in names:
        if not name or set(name) & set(".`"):
            raise InputError(
                f"a probe predicts {name!r}, which cannot be the name of a column: rename this label, or the class in "
                "it, to something without dots and backticks"
            )
        if name in own or re.fullmatch(ADDED, name):
            raise InputError(f"a probe predicts {name}, which is a column of embeddings: rename it in the labels")
        if names.count(name) > 1:
            raise InputError(
                f"{name} is predicted twice, by two probes, by two classes of one, or by a probe and --attributes: "
                "give one of them only, or rename it in the labels"
            )


def flat_names(field: pa.Field) -> list[str]:
    """Names of the columns that a list becomes in CSV."""
    if not pa.types.is_fixed_size_list(field.type):
        return []
    if field.name == "embedding":
        return [f"e{i}" for i in range(field.type.list_size)]
    if field.name == f"{LANDMARKS}_px":  # named as in read
        return [f"{'xy'[i % 2]}_{i // 2}" for i in range(field.type.list_size)]
    return [f"{field.name.removesuffix('_px')}_{'xy'[i % 2]}{i // 2}" for i in range(field.type.list_size)]


def split_lists(batch: pa.RecordBatch, names_of: Callable[[pa.Field], Sequence[tuple[str, int]]]) -> pa.RecordBatch:
    """Split the fixed-size lists of a batch into columns, for CSV.

    Args:
        batch: of any columns.
        names_of: gives the columns that a list becomes, with their indices in it.

    Returns:
        Columns of float32 in place of each list, null where it is null; the other columns and the metadata unchanged.
    """
    columns: dict[str, pa.Array] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if not pa.types.is_fixed_size_list(field.type):
            columns[field.name] = column
            continue
        values = np.full((len(column), field.type.list_size), np.nan, np.float32)
        is_there = np.asarray(column.is_valid())
        values[is_there] = np.asarray(column.drop_null().flatten()).reshape(-1, field.type.list_size)
        for name, index in names_of(field):
            columns[name] = pa.array(values[:, index], mask=~is_there)
    return pa.RecordBatch.from_pydict(columns).replace_schema_metadata(batch.schema.metadata)
