"""Reads tables that users give: CSV files of any common separator and Unicode encoding, of limited size.

Spreadsheet programs write commas, semicolons or tabs, by the language of the computer, and UTF-8 or UTF-16. The
encoding follows from the file's byte-order mark, the separator from its header line, or from a line `sep=;` before it,
which Excel reads and never shows.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fabnet.errors import InputError
from fabnet.files.limits import MAX_TABLE_BYTES, open_input
from fabnet.files.unicode_text import Encoding, encoding_of, not_unicode, open_unicode

__all__ = ["Dialect", "csv_rows", "dialect_of", "read_csv"]

MAX_ROWS = 4_000_000
"""Rows of a file; a short row takes a hundred times its bytes in memory."""
MAX_CELLS = 40_000_000
MAX_LINE_CHARS = 2**20
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
QUOTED = re.compile(r'(^|[,;\t\r\n])"[^"]*(?:""[^"]*)*"')
SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n"]*)"?(?=[\r\n]|$)', re.IGNORECASE)
BLANK_LINES = re.compile(r"[\r\n]*")
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    encoding: Encoding
    """Its encoding."""
    separator: str
    """The character between cells."""
    lines_before_header: int
    """Number of lines before the header line: a line `sep=;`, and blank ones."""


def dialect_of(file: Path) -> Dialect:
    """How a CSV file is written, by its first lines.

    A line `sep=;` names the separator; else the header line shows it, outside double quotes. A header line of a single
    cell counts as one of commas.

    Raises:
        InputError: it is not a regular file, seems to have another encoding, has several kinds of separators in its
            header line, or names one that is not supported.
        OSError: it cannot be read.
    """
    with open_input(file, None) as stream:
        data = stream.read(4 * MAX_LINE_CHARS)
    encoding = encoding_of(file, data)
    try:
        head = codecs.getincrementaldecoder(encoding)().decode(data)[:MAX_LINE_CHARS]
    except UnicodeDecodeError as error:
        raise not_unicode(file, error.start) from None
    named = SEPARATOR_LINE.match(head)
    skipped = BLANK_LINES.match(head, named.end() if named else 0)
    start = skipped.end() if skipped else 0
    separator = _named_separator(file, named[1]) if named else _shown_separator(file, head[start:])
    return Dialect(encoding, separator, len(LINE_END.findall(head[:start])))


def _named_separator(file: Path, name: str) -> str:
    if name not in SEPARATORS:
        raise InputError(
            f"{file} begins with sep={name[:40]}; expected sep= and a comma, a semicolon or a tab: save the file with "
            "one of these"
        )
    return name


def _shown_separator(file: Path, text: str) -> str:
    header = LINE_END.split(QUOTED.sub(r"\1", text), maxsplit=1)[0]
    found = [separator for separator in SEPARATORS if separator in header]
    if len(found) > 1:
        kinds = " and ".join(SEPARATORS[each] for each in found)
        raise InputError(
            f"{file}: the header line has {kinds}, so its separator is unclear: rename the columns, or put names with "
            "such characters in double quotes"
        )
    return found[0] if found else ","


def csv_rows(
    file: Path, *, separator: str | None = None, limit: int = MAX_TABLE_BYTES
) -> Iterator[tuple[int, list[str]]]:
    """Read the rows of a CSV file one by one.

    Args:
        file: the file, in UTF-8, or in UTF-16 with a byte-order mark.
        separator: separator of cells in a list without a header; None: as in `dialect_of`.
        limit: upper bound of its size in bytes.

    Yields:
        The number of the row's last line, and its cells; a line that is blank, or has separators only, has no cells. A
        line `sep=;` is left out.

    Raises:
        InputError: it is not a regular file, is too large, has an unclear separator, or cannot be read as CSV.
        OSError: it cannot be read.
    """
    with open_unicode(file, limit) as text:
        skipped = 0
        if separator is None:
            dialect = dialect_of(file)
            separator, skipped = dialect.separator, dialect.lines_before_header
        try:
            for _ in range(skipped):
                text.readline()
            reader = csv.reader(_lines(file, text, skipped), delimiter=separator)
            cells = 0
            for count, row in enumerate(reader, start=1):
                cells += len(row)
                if count > MAX_ROWS or cells > MAX_CELLS:
                    raise InputError(
                        f"{file} has more than {MAX_ROWS:,} rows or {MAX_CELLS:,} cells, which is the limit"
                    )
                yield skipped + reader.line_num, row if any(cell.strip() for cell in row) else []
        except UnicodeDecodeError as error:
            raise not_unicode(file, error.start) from None
        except csv.Error as error:
            raise InputError(f"{file} cannot be read as CSV: {error}") from None


def _lines(file: Path, text: TextIO, number: int) -> Iterator[str]:
    while line := text.readline(MAX_LINE_CHARS + 1):
        number += 1
        if len(line) > MAX_LINE_CHARS:
            raise InputError(f"{file}, line {number}: more than {MAX_LINE_CHARS:,} characters, which is the limit")
        yield line


def read_csv(file: Path, header: str) -> list[tuple[int, dict[str, Any]]]:
    """Read the rows of a CSV file as dictionaries, with the names in its first line as keys.

    Args:
        file: the file, as in `csv_rows`.
        header: the expected header, for the message; it is not checked.

    Returns:
        Pairs of a line number and a row; blank lines are skipped. Missing cells are None; cells beyond the header are
        a list under the key None.

    Raises:
        InputError: as in `csv_rows`.
        OSError: it cannot be read.
    """
    try:
        rows = ((number, row) for number, row in csv_rows(file) if row)
        names = [name.strip() for name in next(rows, (0, list[str]()))[1]]
        return [(number, _by_name(names, row)) for number, row in rows]
    except InputError as error:
        if "cannot be read as" not in str(error):
            raise
        raise InputError(f"{error}; expected the header {header}") from error


def _by_name(names: list[str], row: list[str]) -> dict[Any, Any]:
    found: dict[Any, Any] = dict(zip(names, row + [None] * (len(names) - len(row)), strict=False))
    if len(row) > len(names):
        found[None] = row[len(names) :]
    return found
