"""Numbers with a decimal comma, as spreadsheet programs write them in many languages.

A comma may also separate thousands, so it is read as a decimal comma only if the file agrees: semicolons or tabs
separate its cells, no number has a decimal point, and at least one number with a comma cannot be a whole number with
thousands, as 1,234 can.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import InputError
from fabnet.files.csv_file import Dialect, dialect_of

__all__ = ["NUMBER", "DecimalCommas", "is_number", "with_points"]

COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
POINT = r"^[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?$"
NUMBER = rf"{COMMA}|{POINT}|^[+-]?\d+([eE][+-]?\d+)?$|^[+-]?(nan|inf)$"
UNCLEAR = r"^[+-]?[1-9]\d{0,2},\d{3}$"
"""A number with a comma that may be a decimal comma or separate thousands."""
MARKS = "'\u2019 \u00a0\u2009\u202f"
"""Apostrophes and spaces that separate thousands in some languages."""
GROUPED = (
    r"^[+-]?\d{1,3}((\.\d{3})+,\d+|(,\d{3})+\.\d+|(\.\d{3}){2,}|(,\d{3}){2,}|"
    rf"([{MARKS}]\d{{3}})+([.,]\d+)?)$"
)
"""A number in which some mark certainly separates thousands."""


def is_number(cell: str) -> bool:
    """Whether a cell is meant as a number, with a decimal point, a decimal comma or separators of thousands."""
    try:
        float(cell)
    except ValueError:
        return bool(re.search(COMMA, cell) or re.search(GROUPED, cell))
    return True


class DecimalCommas:
    """Finds out from the cells of a file, as they come, whether its numbers have decimal commas."""

    def __init__(self, file: Path, dialect: Dialect) -> None:
        """Start without cells.

        Args:
            file: the CSV file, for messages.
            dialect: how it is written.
        """
        self._file, self._dialect = file, dialect
        self._comma: tuple[int, str] | None = None
        self._point: tuple[int, str] | None = None
        self._is_proven = False

    def add(self, cells: pa.Array, lines: Sequence[int]) -> None:
        """Take in the cells of a column, (N,) text; those that are not numbers do not count.

        Args:
            cells: the cells.
            lines: the line of each in the file.

        Raises:
            InputError: a number has separators of thousands.
        """
        grouped = _first(cells, lines, GROUPED)
        if grouped is not None:
            line, cell = grouped
            raise InputError(
                f"{self._file}, line {line}: {cell!r} separates thousands: write numbers without such separators"
            )
        self._point = self._point or _first(cells, lines, POINT)
        if not self._is_proven:
            self._comma = self._comma or _first(cells, lines, COMMA)
            commas = pc.match_substring_regex(cells, COMMA)
            self._is_proven = pc.any(pc.and_not(commas, pc.match_substring_regex(cells, UNCLEAR))).as_py() or False

    def are_used(self) -> bool:
        """Whether the numbers seen so far have decimal commas.

        Raises:
            InputError: it is unclear what a comma means, or commas also separate the cells.
        """
        if self._comma is None:
            return False
        line, cell = self._comma
        if self._dialect.separator == ",":
            raise InputError(
                f"{self._file}, line {line}: {cell!r} in a file separated by commas: write a decimal point, or "
                "separate the cells by semicolons or tabs"
            )
        if self._point is not None:
            other, point = self._point
            raise InputError(
                f"{self._file}: numbers have decimal commas and points ({cell!r} in line {line}, {point!r} in line "
                f"{other}): write them all in one way"
            )
        if not self._is_proven:
            raise InputError(
                f"{self._file}, line {line}: {cell!r} may be {cell.replace(',', '.')} or {cell.replace(',', '')}: "
                "write numbers with a decimal point, or without separators of thousands"
            )
        return True


def _first(cells: pa.Array, lines: Sequence[int], pattern: str) -> tuple[int, str] | None:
    """The line and text of the first cell that has a pattern."""
    found = pc.index(pc.match_substring_regex(cells, pattern), True).as_py()
    return None if found < 0 else (lines[found], cells[found].as_py())


def with_points(file: Path, rows: dict[int, dict[str, str]], columns: Sequence[str]) -> dict[int, dict[str, str]]:
    """Replace decimal commas by decimal points in the columns of numbers.

    Args:
        file: the CSV file.
        rows: its rows by line number.
        columns: the names of the columns that hold numbers.

    Returns:
        The rows; cells of these columns that are not numbers are unchanged.

    Raises:
        InputError: a number has separators of thousands, or what a comma means is unclear.
    """
    commas = DecimalCommas(file, dialect_of(file))
    for name in columns:
        commas.add(pa.array([row[name] for row in rows.values()], pa.string()), list(rows))
    if not commas.are_used():
        return rows
    return {
        line: row | {name: row[name].replace(",", ".") for name in columns if re.search(COMMA, row[name])}
        for line, row in rows.items()
    }
