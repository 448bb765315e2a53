"""Parquet files that older releases of Arrow read, too."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from fabnet.files.parquet import LENGTH_KEY, write_parquet


def test_lists_have_no_fixed_size_in_the_file(tmp_path: Path) -> None:
    box = pa.field("box_px", pa.list_(pa.float32(), 4))
    columns = pa.schema([pa.field("path", pa.string()), box], metadata={"fabnet": "1"})
    rows = [
        {"path": "a", "box_px": [0.0, 1.0, 2.0, 3.5]},
        {"path": "b", "box_px": None},
        {"path": "c", "box_px": [4] * 4},
    ]
    batches = [
        pa.RecordBatch.from_pylist(rows[:2], schema=columns),
        pa.RecordBatch.from_pylist(rows[2:], schema=columns),
    ]
    write_parquet(iter(batches), columns, tmp_path / "faces.parquet")
    found = parquet.read_table(tmp_path / "faces.parquet")
    assert found.to_pylist() == rows
    assert found.schema.field("box_px").type == pa.list_(pa.float32())
    assert found.schema.field("box_px").metadata[LENGTH_KEY] == b"4"
    assert found.schema.metadata[b"fabnet"] == b"1"
