"""Numbers with a decimal comma, as spreadsheet programs write them in many languages.

A comma may also separate thousands, so it is read as a decimal comma only if the file agrees: semicolons or tabs
separate its cells, no number has a decimal point, and at least one number with a comma cannot be a whole number with
thousands, as 1,234 can.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.csv_file import open_table, separator_of

__all__ = ["is_number", "with_points"]

COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
POINT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")
UNCLEAR = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""A number with a comma that may be a decimal comma or separate thousands."""
GROUPED = re.compile(
    r"[+-]?\d{1,3}((\.\d{3})+,\d+|(,\d{3})+\.\d+|(\.\d{3}){2,}|(,\d{3}){2,}|(['’\s]\d{3})+([.,]\d+)?)"  # noqa: RUF001
)
"""A number in which some mark certainly separates thousands."""


def is_number(cell: str) -> bool:
    """Whether a cell is meant as a number, with a decimal point, a decimal comma or separators of thousands."""
    try:
        float(cell)
    except ValueError:
        return bool(COMMA.fullmatch(cell) or GROUPED.fullmatch(cell))
    return True


def with_points(file: Path, rows: dict[int, dict[str, str]], columns: Sequence[str]) -> dict[int, dict[str, str]]:
    """Replace decimal commas by decimal points in the columns of numbers.

    Args:
        file: the CSV file.
        rows: its rows by line number, from `rows_of`.
        columns: the names of the columns that hold numbers.

    Returns:
        The rows; cells of these columns that are not numbers are unchanged.

    Raises:
        InputError: a number has separators of thousands, or what a comma means is unclear.
    """
    found: dict[re.Pattern[str], tuple[int, str]] = {}
    is_proven = False
    for line, row in rows.items():
        for name in columns:
            cell = row[name]
            kind = next((each for each in (POINT, COMMA, GROUPED) if each.fullmatch(cell)), None)
            if kind is not None:
                found.setdefault(kind, (line, cell))
            is_proven = is_proven or (kind is COMMA and not UNCLEAR.fullmatch(cell))
    if GROUPED in found:
        line, cell = found[GROUPED]
        raise InputError(f"{file}, line {line}: {cell!r} separates thousands: write numbers without such separators")
    if COMMA not in found:
        return rows
    line, cell = found[COMMA]
    with open_table(file) as text:
        if separator_of(file, text) == ",":
            raise InputError(
                f"{file}, line {line}: {cell!r} in a file separated by commas: write a decimal point, or separate the "
                "cells by semicolons or tabs"
            )
    if POINT in found:
        other, point = found[POINT]
        raise InputError(
            f"{file}: numbers have decimal commas and points ({cell!r} in line {line}, {point!r} in line {other}): "
            "write them all in one way"
        )
    if not is_proven:
        raise InputError(
            f"{file}, line {line}: {cell!r} may be {cell.replace(',', '.')} or {cell.replace(',', '')}: write numbers "
            "with a decimal point, or without separators of thousands"
        )
    return {
        line: row | {name: row[name].replace(",", ".") for name in columns if COMMA.fullmatch(row[name])}
        for line, row in rows.items()
    }
