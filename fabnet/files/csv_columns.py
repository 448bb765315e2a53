"""Reads CSV files of any length column by column, with Arrow, written as `csv_file` and `decimal_commas` allow.

They are tables that fabnet wrote, as long as its videos, and that a spreadsheet program may have saved since.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import InputError
from fabnet.files.csv_file import dialect_of
from fabnet.files.decimal_commas import NUMBER, DecimalCommas
from fabnet.files.limits import open_input

__all__ = ["CsvColumns"]

BLOCK_BYTES = 2**20
WRONG_CELL = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to (\w+): invalid value '(.*)'")
TRUE = ["true", "TRUE", "True", "1", "WAHR", "VRAI", "VERDADERO", "VERO", "WAAR", "VERDADEIRO"]
FALSE = ["false", "FALSE", "False", "0", "FALSCH", "FAUX", "FALSO", "ONWAAR"]
"""What spreadsheet programs write for truth values, by the language of the computer."""


class CsvColumns:
    """The columns of a CSV file.

    Every method may raise an InputError where what a comma in a number means is unclear or a column holds numbers and
    words, and an ArrowException, an OSError or a ValueError where the file cannot be read as CSV.
    """

    def __init__(self, file: Path, texts: Collection[str]) -> None:
        """Find out how the file is written.

        Args:
            file: path on this machine or in an object store.
            texts: names of columns that may hold no numbers.

        Raises:
            InputError: as in `dialect_of`.
            OSError: it cannot be read.
        """
        self._file, self._texts = file, texts
        self._dialect = dialect_of(file)

    @cached_property
    def names(self) -> list[str]:
        """The cells of the header line."""
        with self._opened({}) as opened:
            return list(opened.schema.names)

    def types(self) -> pa.Schema:
        """The columns, with types that fit their first rows."""
        with self._opened({"decimal_point": self._decimal_point}) as opened:
            return opened.schema

    def table(self, types: Mapping[str, pa.DataType]) -> pa.Table:
        """The columns that have names, without rows of empty cells. An empty cell is null.

        Args:
            types: types of some columns by name; those of the others fit their cells.
        """
        options: dict[str, Any] = {"column_types": types, "strings_can_be_null": True}
        try:
            with self._opened(options | {"decimal_point": self._decimal_point}, is_whole=True) as table:
                found = table.select([index for index, name in enumerate(table.column_names) if name])
        except pa.ArrowInvalid as error:
            if wrong := WRONG_CELL.search(str(error)):
                raise self._wrong_cell(self.names[int(wrong[1])], wrong[3], is_number=wrong[2] == "double") from None
            raise
        words = [
            (name, column)
            for name, column in zip(found.column_names, found.columns, strict=True)
            if name not in self._texts and pa.types.is_string(column.type)
        ]
        self._have_commas(  # refuses numbers whose commas or points are unclear
            pa.table([column for _, column in words], [str(index) for index in range(len(words))]).to_batches()
        )
        for name, column in words:
            is_number = pc.match_substring_regex(column, NUMBER, ignore_case=True)
            if 2 * (pc.sum(is_number).as_py() or 0) > len(column) - column.null_count:
                raise self._wrong_cell(name, column.filter(pc.invert(is_number))[0].as_py(), is_number=True)
        if not found.num_columns:
            return found
        return found.filter(reduce(pc.or_, (column.is_valid() for column in found.columns)))

    def _wrong_cell(self, name: str, cell: str, *, is_number: bool) -> InputError:
        expected = "numbers: has a spreadsheet program taken one for a date?" if is_number else "true or false"
        return InputError(f"{self._file}: the column {name} holds {cell!r}; expected {expected}")

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns as text, some rows at a time. An empty cell is an empty text."""
        options = {"include_columns": names, "column_types": dict.fromkeys(names, pa.string())}
        with self._opened(options | {"strings_can_be_null": False}) as opened:
            yield from opened

    @cached_property
    def _decimal_point(self) -> str:
        if self._dialect.separator == ",":
            return "."
        numbers = [name for name in dict.fromkeys(self.names) if name and name not in self._texts]
        return "," if self._have_commas(self.batches(numbers)) else "."

    def _have_commas(self, batches: Iterable[pa.RecordBatch]) -> bool:
        """Whether the numbers of all rows, as text, have decimal commas."""
        commas = DecimalCommas(self._file, self._dialect)
        line = self._dialect.lines_before_header + 2
        for batch in batches:
            for column in batch.columns:
                commas.add(column, range(line, line + len(batch)))
            line += len(batch)
        return commas.are_used()

    @contextmanager
    def _opened(self, convert: Mapping[str, Any], *, is_whole: bool = False) -> Iterator[Any]:
        """A stream of the rows, or the table of all of them."""
        import pyarrow.csv as arrow_csv

        encoding = "utf8" if self._dialect.encoding == "utf-8-sig" else self._dialect.encoding
        read = arrow_csv.ReadOptions(
            encoding=encoding, skip_rows=self._dialect.lines_before_header, block_size=BLOCK_BYTES, use_threads=is_whole
        )
        parse = arrow_csv.ParseOptions(delimiter=self._dialect.separator, newlines_in_values=True)
        with open_input(self._file, None) as raw:
            file = pa.PythonFile(raw)
            options = arrow_csv.ConvertOptions(true_values=TRUE, false_values=FALSE, **convert)
            if is_whole:
                yield arrow_csv.read_csv(file, read, parse, options)
            else:
                with arrow_csv.open_csv(file, read, parse, options) as opened:
                    yield opened
