"""Shared by the readers of label files: finding files, reading lines and numbers, and reporting errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.files.csv_file import csv_rows
from fabnet.files.limits import MAX_TABLE_BYTES
from fabnet.files.unicode_text import read_unicode

__all__ = ["find", "lines_of", "number_of", "numbers_of", "rows_of"]


def find(protocol: str, data: Path, what: str, *places: str) -> Path:
    """Find a file or folder of a benchmark.

    Args:
        protocol: name of the benchmark, for the message.
        data: the benchmark's folder.
        what: description of the file, for the message: "the list of test images".
        places: candidate paths relative to `data`; the message names them all.

    Raises:
        InputError: none of them exists.
    """
    for place in places:
        if (data / place).exists():
            return data / place
    also = f" (or {', '.join(places[1:])})" if len(places) > 1 else ""
    raise InputError(f"{protocol}: no {what} at {data / places[0]}{also}; its layout is in docs/protocols.md")


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Read the non-blank lines of a text file, stripped and numbered from 1.

    Raises:
        InputError: it is not a text file.
    """
    try:
        text = read_unicode(path, MAX_TABLE_BYTES)
    except OSError as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def rows_of(path: Path, columns: Sequence[str] = ()) -> dict[int, dict[str, str]]:
    """Read a CSV file with a header.

    Args:
        path: the file.
        columns: required columns.

    Returns:
        Each non-blank row by the number of its last line: all its named columns, names and cells stripped.

    Raises:
        InputError: it cannot be read, lacks a column, or a row is shorter or longer than the header.
    """
    rows = ((number, row) for number, row in csv_rows(path) if row)
    try:
        header = [name.strip() for name in next(rows, (0, list[str]()))[1]]
        names = [name for name in header if name]
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(f"{path} has no column {missing[0]}; expected {', '.join(columns)}")
        found = {}
        for number, row in rows:
            if len(row) != len(header):
                raise InputError(
                    f"{path}, line {number}: expected {len(header)} cells, as in the header; found {len(row)}"
                )
            found[number] = {name: cell.strip() for name, cell in zip(header, row, strict=True) if name}
        return found
    except OSError as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from None


def number_of(path: Path, line: int, text: str) -> float:
    """Parse a number; NaN for an empty cell.

    Args:
        path: the file, for the message.
        line: its line, for the message.
        text: the cell.

    Raises:
        InputError: it is not a number.
    """
    try:
        return float(text or "nan")
    except ValueError:
        raise InputError(f"{path}, line {line}: expected a number or an empty cell, found {text!r}") from None


def numbers_of(path: Path, line: int, parts: Sequence[str], count: int) -> np.ndarray:
    """Parse an exact number of finite numbers.

    Args:
        path: the file, for the message.
        line: its line, for the message.
        parts: the texts.
        count: the exact number.

    Returns:
        (count,) float64.

    Raises:
        InputError: there are more or fewer, or one is not a finite number.
    """
    try:
        numbers = np.array(parts, dtype=np.float64)
    except ValueError:
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InputError(f"{path}, line {line}: expected {count} numbers, found {' '.join(parts)[:80]!r}")
    return numbers
