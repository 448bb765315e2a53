"""What a Parquet, CSV or npy file of `read`, `courses` or `embed` holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from fabnet.errors import InputError, first_line
from fabnet.files.csv_columns import CsvColumns
from fabnet.files.limits import open_input
from fabnet.files.numpy_file import map_npy
from fabnet.upkeep.counting import MOST_ROWS, count_names
from fabnet.upkeep.origin import Kind, as_text, kind_of_table, origin, types_of, written

__all__ = ["TABLES", "table_info"]

TABLES = (".parquet", ".csv", ".npy")
ROWS_AT_ONCE = 16_384
MOST_NAMED = 8
NAMES: dict[Kind, dict[str, str]] = {
    "embeddings": {"person": "identity", "video": "video", "track": "track"},
    "readings": {"person": "person", "video": "source", "track": "track"},
    "courses": {"person": "person", "video": "source", "track": "track"},
}
HEADERS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("embeddings", ("id", "identity", "video", "track", "frame", "time_s", "source")),
    ("courses", ("source", "person", "track", "frame", "time_s", "quantity", "value", "half_width")),
    ("readings", ("source", "person", "track", "frame", "time_s")),
    ("readings", ("source", "frame", "face_id", "timestamp", "confidence", "success", "in_range")),
    ("readings", ("input", "frame", "approx_time", "in_range", "FaceRectX")),
)
"""The first columns of the CSV files that fabnet writes."""
TEXTS = (
    "id", "identity", "video", "track", "source", "person", "input", "reason", "out_of_range", "expression", "quantity",
)  # fmt: skip
"""Columns of these files that may hold no numbers."""
EXPECTED = "expected a table of fabnet read, courses or embed"


def table_info(file: Path) -> dict[str, Any]:
    """Say what a file of rows holds. Memory does not grow with it.

    Args:
        file: a file with an ending in `TABLES`.

    Returns:
        `kind`, and what is known of it; CSV files do not say with which model and options they were made.

    Raises:
        InputError: fabnet did not write it, or it is corrupt.
    """
    suffix = file.suffix.lower()
    try:
        if suffix == ".npy":
            return _of_npy(file)
        if suffix == ".csv":
            return _of_csv(file)
        with open_input(file, None) as raw:
            return _of_parquet(file, raw)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file} is corrupt, or not {_called(suffix)}: {first_line(error)}") from None


def _called(suffix: str) -> str:
    return {".parquet": "a Parquet file", ".csv": "a CSV file", ".npy": "an array of numbers"}[suffix]


def _about(file: Path, kind: Kind, suffix: str) -> dict[str, Any]:
    return {
        "kind": kind, "path": str(file), "format": suffix[1:], "written": written(file), "bytes": file.stat().st_size,
    }  # fmt: skip


def _of_parquet(file: Path, raw: IO[bytes]) -> dict[str, Any]:
    import pyarrow.parquet as parquet

    opened = parquet.ParquetFile(pa.PythonFile(raw), pre_buffer=False)
    columns, count = opened.schema_arrow, opened.metadata.num_rows
    kind = kind_of_table(about := as_text(columns.metadata))
    if kind is None:
        raise InputError(f"fabnet did not write {file}: {count:,} rows of {_named(columns.names)}; {EXPECTED}")
    names = {field: name for field, name in NAMES[kind].items() if name in columns.names}
    counts: dict[str, Any] = {"rows": count}
    if len(names) == len(NAMES[kind]) and count <= MOST_ROWS:
        reason = "reason" if "reason" in columns.names else None
        wanted = [*names.values(), *([reason] if reason else [])]
        counts = count_names(opened.iter_batches(ROWS_AT_ONCE, columns=wanted), **names, reason=reason)
    return _about(file, kind, ".parquet") | counts | origin(about, kind, is_file=True) | {"columns": types_of(columns)}


def _of_csv(file: Path) -> dict[str, Any]:
    table = CsvColumns(file, TEXTS)
    columns = table.names
    kind = next((kind for kind, first in HEADERS if tuple(columns[: len(first)]) == first), None)
    if kind is None:
        raise InputError(f"fabnet did not write {file}: its columns are {_named(columns)}; {EXPECTED}")
    names = NAMES[kind]
    if not set(names.values()) <= set(columns):  # another tool's names
        names = {"person": columns[0], "video": columns[0], "track": columns[columns.index("frame") + 1]}
    reason = "reason" if "reason" in columns else None
    wanted = dict.fromkeys([*names.values(), *([reason] if reason else [])])
    counts = count_names(table.batches(list(wanted)), **names, reason=reason)
    if names is not NAMES[kind]:
        counts = {"rows": counts["rows"], "videos": counts["videos"]}
    made = "courses" if kind == "courses" else "embed" if kind == "embeddings" else "read"
    about = {
        "command": f"fabnet {made}",
        "columns": types_of(table.types()),
        "notes": ["a CSV file does not keep the model and the options; a Parquet file does"],
    }
    return _about(file, kind, ".csv") | counts | about


def _of_npy(file: Path) -> dict[str, Any]:
    """The embeddings in an npy, and the other columns in the CSV beside it."""
    found = map_npy(file)
    table = file.with_suffix(".csv")
    if found.ndim != 2 or found.dtype.kind != "f" or not table.is_file():
        raise InputError(
            f"fabnet did not write {file}: {found.dtype} of shape {found.shape}; expected (rows, numbers) of float32, "
            f"with {table.name} beside it"
        )
    beside = table_info(table)
    if beside["kind"] != "embeddings" or "e0" in beside["columns"]:
        raise InputError(f"{table} was not written with {file}: run fabnet embed again")
    if beside["rows"] != len(found):
        raise InputError(f"{table} has {beside['rows']:,} rows, {file} has {len(found):,}: run fabnet embed again")
    types = beside["columns"] | {"embedding": f"{found.dtype}[{found.shape[1]}]"}
    return beside | _about(file, "embeddings", ".npy") | {"columns": types, "rows_in": str(table)}


def _named(columns: Sequence[str]) -> str:
    """The first columns by name, for a message."""
    shown = ", ".join(repr(name[:40]) for name in columns[:MOST_NAMED]) or "none"
    return f"{shown} and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else shown
