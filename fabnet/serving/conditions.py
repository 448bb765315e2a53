"""Conditions on the faces shown: ranges of predicted numbers and choices of predicted classes.

A condition only names columns and classes of the dataset, so no text of a request becomes SQL.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fabnet.errors import InputError
from fabnet.retrieval.columns import in_names_of
from fabnet.retrieval.filters import all_of, quoted

__all__ = ["Choice", "Condition", "Range", "read_condition"]


MAX_CONDITIONS = 100
"""Maximum number of conditions in a request, since each nests the SQL one level deeper."""


@dataclass(frozen=True, slots=True)
class Range:
    """A column of numbers between two bounds, both inclusive; an infinite bound means no bound."""

    column: str
    low: float
    high: float

    def to_sql(self) -> str:
        """The condition as SQL for Lance."""
        bounds = ((">=", self.low), ("<=", self.high))
        parts = [f"`{self.column}` {sign} {bound!r}" for sign, bound in bounds if math.isfinite(bound)]
        return " AND ".join(parts) or f"`{self.column}` IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Choice:
    """A column of classes with this value, or of flags that are "true" or "false"."""

    column: str
    value: str
    is_flag: bool = False

    def to_sql(self) -> str:
        """The condition as SQL for Lance."""
        if self.is_flag:
            return f"`{self.column}` = {'true' if self.value == 'true' else 'false'}"
        return f"`{self.column}` = {quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Condition:
    """Ranges and choices, all of which must hold."""

    ranges: tuple[Range, ...] = ()
    choices: tuple[Choice, ...] = ()

    def to_sql(self) -> str | None:
        """The condition as SQL for Lance; None: every row."""
        return all_of(*[each.to_sql() for each in self.ranges], *[each.to_sql() for each in self.choices])


def read_condition(
    texts: Sequence[str], numbers: Sequence[str], classes: dict[str, list[str]], flags: Collection[str] = ()
) -> Condition:
    """Parse the conditions of a request.

    Args:
        texts: `COLUMN:LOW:HIGH`, where a bound may be empty, and `COLUMN:CLASS`.
        numbers: columns of numbers of the dataset.
        classes: columns of classes of the dataset, with their classes.
        flags: those of them that are true or false.

    Raises:
        InputError: a text is not a condition.
    """
    if len(texts) > MAX_CONDITIONS:
        raise InputError(f"{len(texts)} conditions are too many; the limit is {MAX_CONDITIONS}")
    ranges, choices = [], []
    for text in dict.fromkeys(texts):
        chosen = [
            Choice(column, text.removeprefix(f"{column}:"), column in flags)
            for column in classes
            if text.startswith(f"{column}:")
        ]
        chosen = [each for each in chosen if each.value in classes[each.column]]
        column, low, high = (["", "", "", *text.rsplit(":", 2)])[-3:]
        column = in_names_of(numbers, column)
        if chosen:
            choices += chosen[:1]
        elif column in numbers:
            ranges.append(Range(column, _bound(low, -math.inf), _bound(high, math.inf)))
        else:
            raise InputError(_refusal(text, [*numbers, *classes]))
    return Condition(tuple(ranges), tuple(choices))


def _refusal(text: str, columns: Sequence[str]) -> str:
    """What to say about a text that is not a condition on these columns."""
    if not columns:
        return f"{text!r} names no column: make the dataset with fabnet embed --attributes or --probe to filter it"
    if not text.startswith(tuple(f"{column}:" for column in columns)):
        return f"{text!r} names no column to filter by; there is {', '.join(columns)}"
    return f"{text!r} is not a condition: expected COLUMN:LOW:HIGH or COLUMN:CLASS"


def _bound(text: str, otherwise: float) -> float:
    try:
        value = float(text) if text else otherwise
    except ValueError:
        value = math.nan
    if text and not math.isfinite(value):
        raise InputError(f"{text!r} is not a bound; expected a finite number or nothing")
    return value
