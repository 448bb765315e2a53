"""The table that `read` makes, taken apart: from memory or a file, by quantity, person and track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError, first_line
from fabnet.files.csv_columns import CsvColumns
from fabnet.files.limits import open_input
from fabnet.files.places import as_place

__all__ = ["CHANGE", "COURSES", "codes_of", "is_readable", "numbers", "quantities", "readings", "tracks"]

CHANGE = "_change"
"""Ending of a column that holds differences from a person's baseline."""
COURSES = "fabnet.courses."
"""Beginning of the metadata that only courses have."""
NEEDED = ("source", "person", "track", "frame", "time_s", "in_range")
TEXTS = ("source", "person", "track", "reason", "out_of_range", "expression")
NO_QUANTITIES = ("score", "time_s")


def readings(table: pa.Table | str | Path) -> pa.Table:
    """A table of `read` or of `courses`.

    Args:
        table: the table itself, or a .parquet or .csv file of it.

    Raises:
        InputError: the file is missing or unreadable, or holds other columns.
    """
    if isinstance(table, pa.Table):
        found, name = table, "the table"
    else:
        file = as_place(table)
        found, name = _from_file(file), str(file)
    missing = [each for each in NEEDED if each not in found.schema.names]
    if missing:
        raise InputError(
            f"{name} has no column {', '.join(missing)}; expected what fabnet read writes with its own column names"
        )
    for each in ("source", "person", "track"):
        if not pa.types.is_string(found.schema.field(each).type):
            raise InputError(f"{name}: the column {each} holds {found.schema.field(each).type}; expected text")
    if not len(found):
        raise InputError(f"{name} has no rows")
    repeated = [each for each, count in Counter(found.schema.names).items() if count > 1]
    if repeated:
        raise InputError(f"{name} has several columns named {repeated[0]}: rename or remove all but one")
    if not quantities(found.schema):
        raise InputError(f"{name} has no columns of numbers to follow, such as smile or pose_yaw_deg")
    return found


def _from_file(file: Path) -> pa.Table:
    if file.suffix.lower() not in (".parquet", ".csv"):
        raise InputError(f"{file} ends in {file.suffix or 'nothing'!r}; expected a .parquet or .csv file")
    try:
        if file.suffix.lower() == ".csv":
            kinds = dict.fromkeys(TEXTS, pa.string()) | {"in_range": pa.bool_(), "time_s": pa.float64()}
            columns = CsvColumns(file, TEXTS)
            certain = [name for name in columns.names if f"{name}_pm" in columns.names]
            return _with_floats(columns.table(kinds | dict.fromkeys(certain, pa.float64())))
        import pyarrow.parquet as parquet

        with open_input(file, None) as raw:
            return parquet.read_table(pa.PythonFile(raw))
    except FileNotFoundError:
        raise InputError(f"there is no file {file}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a table: {first_line(error)}") from error


def _with_floats(table: pa.Table) -> pa.Table:
    """Columns of a CSV file in which every number happens to be whole, or none is given, as floats again."""
    for index, field in enumerate(table.schema):
        if field.name != "frame" and (pa.types.is_integer(field.type) or pa.types.is_null(field.type)):
            table = table.set_column(index, field.name, table.column(index).cast(pa.float64()))
    return table


def quantities(schema: pa.Schema) -> list[str]:
    """The columns that hold a number which changes over time: not half-widths, places in the picture or embeddings."""
    return [
        field.name
        for field in schema
        if pa.types.is_floating(field.type)
        and field.name not in NO_QUANTITIES
        and not field.name.endswith(("_pm", "_pm_px"))
        and not field.name.startswith(("box_", "x_", "y_"))
        and not (field.name[0] == "e" and field.name[1:].isdigit())
    ]


def numbers(table: pa.Table, name: str) -> np.ndarray:
    """A column as (N,) float64, NaN where it is null."""
    column = table.column(name).cast(pa.float64())
    return np.asarray(column.to_numpy(), np.float64)


def is_readable(table: pa.Table) -> np.ndarray:
    """(N,) bool: whether a row has a face that is in range."""
    return np.asarray(table.column("in_range").fill_null(False).to_numpy(zero_copy_only=False), bool)


def codes_of(table: pa.Table, name: str) -> tuple[np.ndarray, list[str | None]]:
    """A column of text as (N,) numbers, and the text of each number, in the order of appearance."""
    coded = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(coded.indices.to_numpy()), coded.dictionary.to_pylist()


def tracks(table: pa.Table) -> Iterator[np.ndarray]:
    """The rows of each track with times, in the order of time."""
    times = numbers(table, "time_s")
    track, names = codes_of(table, "track")
    source, _ = codes_of(table, "source")
    has_face = np.array([name is not None for name in names])[track] & np.isfinite(times)
    rows = np.flatnonzero(has_face)
    rows = rows[np.lexsort((times[rows], track[rows], source[rows]))]
    if not len(rows):
        return
    ends = np.flatnonzero((np.diff(source[rows]) != 0) | (np.diff(track[rows]) != 0)) + 1
    yield from np.split(rows, ends)
