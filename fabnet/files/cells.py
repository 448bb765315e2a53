"""Text in CSV files: a spreadsheet must not run it.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a line end is a formula to spreadsheets: `=cmd|...` starts
programs. Such a text gets an apostrophe in front, which spreadsheets take for "this is text"; numbers do not.
"""

from __future__ import annotations

import re
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["as_cell", "as_cells"]

FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
"""The last four are the wide forms of the first four, which some spreadsheets take for them."""
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
MARK = "'"
T = TypeVar("T")


def as_cell(text: T) -> T | str:
    """A text as it goes into a CSV file; what is not a text, or is a number written out, stays as it is."""
    if not isinstance(text, str) or not re.search(FORMULA, text) or re.fullmatch(NUMBER, text):
        return text
    return MARK + text


def as_cells(column: pa.Array) -> pa.Array:
    """A column as it goes into a CSV file: where it is of texts, each as `as_cell`; nulls stay."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    is_number = pc.match_substring_regex(column, NUMBER)
    is_formula = pc.and_not(pc.match_substring_regex(column, FORMULA), is_number)
    mark, nothing = (pa.scalar(text, column.type) for text in (MARK, ""))
    return pc.if_else(is_formula, pc.binary_join_element_wise(mark, column, nothing), column)
