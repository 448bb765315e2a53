"""The figures of a ranking, and their table: one row per size of the top, with chance and the best possible value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from fabnet.probes.measures import Measure
from fabnet.probes.metrics import Figure, Weighted, mean_of, weighted_mean
from fabnet.probes.retrieval.ranking import AtK

__all__ = ["RankingRow", "ranking_figures", "table_rows"]

HEADLINE_SIZE = 10
Role = Literal["", "chance", "best", "way"]
ENDINGS: dict[Role, str] = {
    "": ", top {}",
    "chance": ", chance",
    "best": ", best possible top {}",
    "way": ", % of the way from chance to best, top {}",
}
"""Suffixes that turn a measure's name into a metric's."""


def _way(got: Weighted, chance: Weighted, best: Weighted) -> Weighted:
    """How much of the way from chance to the best possible value is covered, in per cent."""

    def of(weights: np.ndarray) -> np.ndarray:
        start = chance(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(100 * (start - got(weights)) / (start - best(weights)))

    return of


def ranking_figures(measured: Sequence[Measure], found: Sequence[AtK], sizes: Sequence[int]) -> list[Figure]:
    """Means over queries, then over the headline's columns; each column's own figure at the headline's size.

    Args:
        measured: measures of one name, one per column.
        found: results of each measure.
        sizes: K sizes of the top.
    """
    name = measured[0].name
    headline = [at for each, at in zip(measured, found, strict=True) if each.in_headline]
    chance = mean_of([weighted_mean(at.chance) for at in headline])
    figures = [Figure(name + ENDINGS["chance"], chance)]
    at_headline = max(place for place, size in enumerate(sizes) if size <= HEADLINE_SIZE)
    for place, size in enumerate(sizes):
        got = mean_of([weighted_mean(at.got[:, place]) for at in headline])
        best = mean_of([weighted_mean(at.best[:, place]) for at in headline])
        figures += [
            Figure(name + ENDINGS[""].format(size), got),
            Figure(name + ENDINGS["best"].format(size), best),
            Figure(name + ENDINGS["way"].format(size), _way(got, chance, best), place == at_headline),
        ]
    if len(measured) > 1:
        for each, at in zip(measured, found, strict=True):
            own = f"{name}, {each.column}"
            got = weighted_mean(at.got[:, at_headline])
            figures.append(Figure(own + ENDINGS["chance"], weighted_mean(at.chance)))
            figures.append(Figure(own + ENDINGS[""].format(sizes[at_headline]), got))
    return figures


class RankingRow(NamedTuple):
    """A row of the table for readers.

    Attributes:
        task: name of the task.
        measure: measure with its unit.
        variant: variant of the embedding.
        top: size of the top; None if it is not a ranking.
        value: row of the figure itself; None if only chance is known.
        chance: row of chance; None if unknown.
        best: row of the best possible value; None if unknown.
        way: row of the share of the way from chance to best; None if unknown.
    """

    task: str
    measure: str
    variant: str
    top: int | None
    value: dict[str, Any] | None
    chance: dict[str, Any] | None
    best: dict[str, Any] | None
    way: dict[str, Any] | None


def _read(metric: str) -> tuple[str, Role, int | None]:
    """A metric's measure, its role and the size of the top."""
    for role in ("way", "best", "chance", ""):
        pattern = "(.+)" + re.escape(ENDINGS[role]).replace(r"\{\}", r"(\d+)")
        match = re.fullmatch(pattern, metric)
        if match:
            return match[1], role, int(match[2]) if match.re.groups > 1 else None
    return metric, "", None


def table_rows(rows: Iterable[dict[str, Any]]) -> list[RankingRow]:
    """Turn the rows of a retrieval report, one per figure, into one per measure and size of the top."""
    cells: dict[tuple[str, str, str], dict[tuple[Role, int | None], dict[str, Any]]] = {}
    for row in rows:
        measure, role, size = _read(row["metric"])
        cells.setdefault((row["task"], measure, row["probe"]), {})[role, size] = row
    made = []
    for (task, measure, variant), found in cells.items():
        for size in [size for role, size in found if role == ""]:
            value, best, way = (found.get((role, size)) for role in ("", "best", "way"))
            made.append(RankingRow(task, measure, variant, size, value, found.get(("chance", None)), best, way))
    return made
