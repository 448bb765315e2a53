"""Text in CSV files, escaped so that no spreadsheet runs it.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a line end is a formula to spreadsheets: `=cmd|...` starts
programs. Such a text gets a leading apostrophe, which marks it as text; numbers do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["as_cell", "as_cells", "csv_rows", "write_csv"]

FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
"""The last four are the fullwidth forms of the first four; some spreadsheets treat them alike."""
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
MARK = "'"
T = TypeVar("T")


def as_cell(text: T) -> T | str:
    """A text escaped for a CSV file; other values, and texts that are numbers, are returned unchanged."""
    if not isinstance(text, str) or not re.search(FORMULA, text) or re.fullmatch(NUMBER, text):
        return text
    return MARK + text


def as_cells(column: pa.Array) -> pa.Array:
    """A column escaped for a CSV file: each text as in `as_cell`; nulls and other columns stay unchanged."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    is_number = pc.match_substring_regex(column, NUMBER)
    is_formula = pc.and_not(pc.match_substring_regex(column, FORMULA), is_number)
    mark, nothing = (pa.scalar(text, column.type) for text in (MARK, ""))
    return pc.if_else(is_formula, pc.binary_join_element_wise(mark, column, nothing), column)


def write_csv(batches: Iterable[pa.RecordBatch], columns: pa.Schema, file: str | Path | IO[bytes]) -> None:
    """Write batches to a CSV file as they come, with a header and texts as in `as_cell`.

    Args:
        batches: of the table; no column is a list.
        columns: their schema; its metadata do not go into the file.
        file: where they are written.

    Raises:
        OSError: the file cannot be written.
    """
    with csv_rows(columns, file) as add:
        for batch in batches:
            add(batch)


@contextmanager
def csv_rows(columns: pa.Schema, file: str | Path | IO[bytes]) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Open a CSV file, as `write_csv` writes it, to which the function that it yields adds batches.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow.csv as arrow_csv

    with arrow_csv.CSVWriter(file, columns) as writer:

        def add(batch: pa.RecordBatch) -> None:
            cells = [as_cells(column) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(cells, schema=columns))

        yield add
