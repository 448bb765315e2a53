"""What the faces shown must meet: ranges of numbers and choices of classes that probes predicted.

Conditions name columns of the dataset and nothing else, so that what comes with a request never becomes SQL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fabnet.errors import InputError
from fabnet.retrieval.filters import all_of, quoted

__all__ = ["Choice", "Condition", "Range", "read_condition"]


MAX_CONDITIONS = 100
"""In one request: each nests the SQL a level deeper."""


@dataclass(frozen=True, slots=True)
class Range:
    """A column of numbers between two bounds, both included; an infinite one is none."""

    column: str
    low: float
    high: float

    def to_sql(self) -> str:
        """As Lance takes it."""
        bounds = ((">=", self.low), ("<=", self.high))
        parts = [f"`{self.column}` {sign} {bound!r}" for sign, bound in bounds if math.isfinite(bound)]
        return " AND ".join(parts) or f"`{self.column}` IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Choice:
    """A column of classes that holds this one."""

    column: str
    value: str

    def to_sql(self) -> str:
        """As Lance takes it."""
        return f"`{self.column}` = {quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Condition:
    """Ranges and choices that all must hold."""

    ranges: tuple[Range, ...] = ()
    choices: tuple[Choice, ...] = ()

    def to_sql(self) -> str | None:
        """As Lance takes it; None: every row."""
        return all_of(*[each.to_sql() for each in self.ranges], *[each.to_sql() for each in self.choices])


def read_condition(texts: Sequence[str], numbers: Sequence[str], classes: dict[str, list[str]]) -> Condition:
    """Read conditions as a request gives them.

    Args:
        texts: `COLUMN:LOW:HIGH`, where a bound may be empty, and `COLUMN:CLASS`.
        numbers: columns of numbers there are.
        classes: columns of classes there are, with their classes.

    Raises:
        InputError: one is neither.
    """
    if len(texts) > MAX_CONDITIONS:
        raise InputError(f"{len(texts)} conditions are too many; the limit is {MAX_CONDITIONS}")
    ranges, choices = [], []
    for text in dict.fromkeys(texts):
        chosen = [
            Choice(column, text.removeprefix(f"{column}:")) for column in classes if text.startswith(f"{column}:")
        ]
        chosen = [each for each in chosen if each.value in classes[each.column]]
        column, low, high = (["", "", "", *text.rsplit(":", 2)])[-3:]
        if chosen:
            choices += chosen[:1]
        elif column in numbers:
            ranges.append(Range(column, _bound(low, -math.inf), _bound(high, math.inf)))
        else:
            raise InputError(f"{text!r} is no condition: expected COLUMN:LOW:HIGH or COLUMN:CLASS of a probe's column")
    return Condition(tuple(ranges), tuple(choices))


def _bound(text: str, otherwise: float) -> float:
    try:
        value = float(text) if text else otherwise
    except ValueError:
        value = math.nan
    if text and not math.isfinite(value):
        raise InputError(f"{text!r} is no bound; expected a finite number or nothing")
    return value
