"""The paper's Tables 1 to 4 as printed, from `published.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["DASH", "PUBLISHED", "PublishedGroup", "PublishedRow", "PublishedTable", "Role"]

Role = Literal["fabnet", "rotnet", "autoencoder", "splitbrain", "identity"]

DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A method with its numbers.

    Attributes:
        method: method as printed.
        numbers: numbers as printed, one per column; `DASH` where the paper has a dash.
        role: its role in the paper's relations; None: none.
    """

    method: str
    numbers: tuple[str, ...]
    role: Role | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGroup:
    """Rows under a heading of the paper.

    Attributes:
        headings: headings, outermost first: ("Self-supervised", "Trained on CelebA").
        rows: rows as printed, in the paper's order.
    """

    headings: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One of the paper's tables.

    Attributes:
        number: number in the paper.
        caption: caption in the paper, including "Lower is better" and the like.
        columns: headings of the numbers.
        measure: what the numbers measure.
        decimals: decimals of a number.
        unit: unit printed after a number.
        is_auc: whether the numbers are areas under the ROC curve in per cent, higher is better; else errors.
        groups: rows by heading.
        relation_columns: columns compared in the paper's relations.
        against: roles that FAb-Net is compared with there.
    """

    number: int
    caption: str
    columns: tuple[str, ...]
    measure: str
    decimals: int
    unit: str = ""
    is_auc: bool
    groups: tuple[PublishedGroup, ...]
    relation_columns: tuple[str, ...]
    against: tuple[Role, ...]


def _tables() -> dict[int, PublishedTable]:
    content = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    return {each["number"]: PublishedTable(**_tuples(each) | {"groups": _groups(each)}) for each in content["tables"]}


def _groups(table: dict[str, Any]) -> tuple[PublishedGroup, ...]:
    return tuple(
        PublishedGroup(headings=tuple(group["headings"]), rows=tuple(_row(**row) for row in group["rows"]))
        for group in table["groups"]
    )


def _row(method: str, numbers: str, role: Role | None = None) -> PublishedRow:
    return PublishedRow(method=method, numbers=tuple(numbers.replace("-", DASH).split()), role=role)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


PUBLISHED: dict[int, PublishedTable] = _tables()
"""The tables by number."""
