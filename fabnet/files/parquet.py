"""Parquet files that older releases of Arrow read, too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO

import pyarrow as pa

__all__ = ["LENGTH_KEY", "write_parquet"]

LENGTH_KEY = b"fabnet:length"
"""Key of a field's metadata: how many values each of its lists has."""


def write_parquet(batches: Iterable[pa.RecordBatch], columns: pa.Schema, file: str | Path | IO[bytes]) -> None:
    """Write batches to a Parquet file as they come, with lists in place of lists of a fixed size.

    Arrow up to 24 at least, and with it pandas, cannot read a null in a list of a fixed size from a Parquet file.

    Args:
        batches: of the table.
        columns: their schema; its metadata go into the file.
        file: where they are written.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow.parquet as parquet

    fields = [_plain(field) for field in columns]
    plain = pa.schema(fields, metadata=columns.metadata)
    with parquet.ParquetWriter(file, plain) as writer:
        for batch in batches:
            arrays = [array.cast(field.type) for array, field in zip(batch.columns, plain, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=plain))


def _plain(field: pa.Field) -> pa.Field:
    if not pa.types.is_fixed_size_list(field.type):
        return field
    return field.with_type(pa.list_(field.type.value_type)).with_metadata({LENGTH_KEY: str(field.type.list_size)})
