"""The paper's tables with this project's results: one structure that every renderer shows.

A table is a list of panels. The published panel holds the paper's rows; each data set, split and task of the runs has a
panel, and so columns, of its own. No column ever mixes the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fabnet.errors import InputError
from fabnet.paper.published import DASH, PUBLISHED, PublishedRow, PublishedTable
from fabnet.paper.results import PLACES, Place, RunResult, Score

__all__ = ["FACTS", "MARKS", "Cell", "Group", "Origin", "PaperTable", "TablePanel", "TableRow", "paper_table"]

Origin = Literal["published", "here"]

MARKS: dict[Origin, str] = {
    "published": "the paper's number on its data",
    "here": "reproduced on our data",
}
FACTS = ("objective", "D", "probe", "seeds", "faces", "people", "data", "date", "commit", "fabnet")

_AUC = re.compile(r"AUC, (?:AU *0*)?(?P<column>.+)", re.IGNORECASE)
_ANGLE = re.compile(r"error in degrees, (?P<column>.+)", re.IGNORECASE)
_POINTS = re.compile(r"error, % of .+", re.IGNORECASE)
_UNIT = re.compile(r"AUC, (AU *)?\d+", re.IGNORECASE)
_MEANS = {"error in degrees": "MAE", "AUC": "avg."}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number.

    Attributes:
        text: number as shown, with its unit.
        low: lower end of the 95 % interval; empty: none.
        high: upper end of the 95 % interval; empty: none.
        note: what it was computed from; empty: none.
    """

    text: str
    low: str = ""
    high: str = ""
    note: str = ""

    @property
    def detail(self) -> str:
        """The interval or the note on one line."""
        return f"[{self.low}, {self.high}]" if self.low else self.note


@dataclass(frozen=True, slots=True)
class TableRow:
    """A method or a run.

    Attributes:
        label: name of the row.
        cells: one per column.
        facts: one per fact of the panel.
    """

    label: str
    cells: tuple[Cell, ...]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under their headings, outermost first."""

    headings: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePanel:
    """Columns of one origin with their rows.

    Attributes:
        origin: the paper, or a run.
        title: title on one line.
        source: what distinguishes its columns from all others: "published", "YouTube Faces, test".
        label: heading of the rows' names.
        columns: headings of the numbers.
        facts: headings of the rows' further facts.
        groups: rows by heading.
    """

    origin: Origin
    title: str
    source: str
    label: str
    columns: tuple[str, ...]
    facts: tuple[str, ...] = ()
    groups: tuple[Group, ...]

    @property
    def rows(self) -> list[TableRow]:
        """All rows."""
        return [row for group in self.groups for row in group.rows]

    def column_names(self) -> list[str]:
        """Column names that are unique among all panels."""
        return [f"{self.source}: {column}" for column in self.columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """One of the paper's tables with this project's results.

    Attributes:
        number: number in the paper.
        caption: caption in the paper.
        panels: the published panel, then the others.
        relations: ratios of FAb-Net's error to that of a baseline, in panels in the same order.
        left_out: given results that do not belong in this table: "small on mtfl".
    """

    number: int
    caption: str
    panels: tuple[TablePanel, ...]
    relations: tuple[TablePanel, ...]
    left_out: tuple[str, ...]


class _Line(NamedTuple):
    """The scores of one run on one task with one probe."""

    run: RunResult
    place: Place
    task: str
    probe: str
    measure: str
    scores: dict[str, Score]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.run.protocol, self.run.split, self.task, self.measure


def paper_table(number: int, results: Sequence[RunResult] = ()) -> PaperTable:
    """Lay out one of the paper's tables.

    Args:
        number: 1 landmarks, 2 pose, 3 action units, 4 expressions.
        results: results to show; those of other tables' protocols are named in `left_out`.

    Raises:
        InputError: the table does not exist.
    """
    if number not in PUBLISHED:
        raise InputError(
            f"the paper has no table {number}; expected 1 (landmarks), 2 (pose), 3 (action units) or 4 (expressions)"
        )
    published = PUBLISHED[number]
    lines: list[_Line] = []
    left_out = []
    for run in results:
        own = [line for place in PLACES.get(run.protocol, ()) if place.table == number for line in _lines(run, place)]
        lines += own
        if not own:
            left_out.append(f"{run.model} on {run.protocol}")
    by_key: dict[tuple[str, str, str, str], list[_Line]] = {}
    for line in lines:
        by_key.setdefault(line.key, []).append(line)
    order = list(PLACES)
    together = [by_key[key] for key in sorted(by_key, key=lambda key: (order.index(key[0]), *key[1:]))]
    relations = [_published_relations(published), *(_relations_here(published, each) for each in together)]
    return PaperTable(
        number=number,
        caption=published.caption,
        panels=(_published_panel(published), *(_panel_here(published, each) for each in together)),
        relations=tuple(panel for panel in relations if panel.rows),
        left_out=tuple(left_out),
    )


def _published_panel(table: PublishedTable) -> TablePanel:
    return TablePanel(
        origin="published",
        title=table.measure,
        source="published",
        label="Method",
        columns=table.columns,
        groups=tuple(
            Group(group.headings, tuple(TableRow(row.method, tuple(map(Cell, row.numbers))) for row in group.rows))
            for group in table.groups
        ),
    )


def _lines(run: RunResult, place: Place) -> Iterator[_Line]:
    """The run's scores for this place, one line per task, probe and measure."""
    shown: dict[tuple[str, str, str], dict[str, Score]] = {}
    for score in run.scores:
        if place.task in ("", score.task) and (found := _column(score, place)):
            measure, column = found
            shown.setdefault((score.task, score.probe, measure), {})[column] = score
    for (task, probe, measure), scores in shown.items():
        units = [bool(_UNIT.fullmatch(score.metric)) for column, score in scores.items() if column != "avg."]
        if place.table < 3 or not units or all(is_unit == (place.table == 3) for is_unit in units):
            yield _Line(run, place, task, probe, measure, scores)


def _column(score: Score, place: Place) -> tuple[str, str] | None:
    """A number's measure and column; None if it is not for that table."""
    if place.table == 1:
        return (score.metric, place.data_set) if score.headline and _POINTS.fullmatch(score.metric) else None
    measure = "error in degrees" if place.table == 2 else "AUC"
    found = (_ANGLE if place.table == 2 else _AUC).fullmatch(score.metric)
    if found is None:
        return None
    column = found["column"]
    return measure, _MEANS[measure] if column.lower() == "mean" else column[:1].upper() + column[1:]


def _columns(table: PublishedTable, lines: Iterable[_Line]) -> tuple[str, ...]:
    """The columns of some lines: the paper's in its order, others before the mean; units by number."""
    found = list(dict.fromkeys(column for line in lines for column in line.scores))
    if table.number == 1:
        return tuple(found)
    mean = [column for column in table.relation_columns if column in found]
    rest = [column for column in found if column not in mean]
    if table.number == 3:
        rest.sort(key=int)
    else:
        order = [column[:3] for column in table.columns]  # "Happiness" takes the position of the paper's "Happy"
        rest.sort(key=lambda column: order.index(column[:3]) if column[:3] in order else len(order))
    return (*rest, *mean)


def _panel_here(table: PublishedTable, lines: Sequence[_Line]) -> TablePanel:
    columns = _columns(table, lines)
    rows = [
        TableRow(line.run.model, tuple(_cell(table, line.scores.get(each)) for each in columns), _facts(line))
        for line in lines
    ]
    return _here(lines[0], lines[0].measure, columns, rows)


def _here(line: _Line, measure: str, columns: tuple[str, ...], rows: list[TableRow], kind: str = "") -> TablePanel:
    place, run = line.place, line.run
    instead = f", instead of {place.stands_for}" if place.stands_for else ""
    points = {"landmarks68": "68 points, ", "landmarks5": "5 points, "}.get(line.task, "")
    return TablePanel(
        origin="here",
        title=f"{place.data_set}, {run.split}{instead}: {points}{measure}",
        source=f"here, {place.data_set}, {run.split}, {line.task}, {line.measure}{kind}",
        label="Run",
        columns=columns,
        facts=FACTS,
        groups=(Group((), tuple(rows)),),
    )


def _cell(table: PublishedTable, score: Score | None) -> Cell:
    if score is None or score.value is None:
        return Cell(DASH)
    low, high = ("" if each is None else f"{each:.{table.decimals}f}" for each in (score.low, score.high))
    text = f"{score.value:.{table.decimals}f}{table.unit}"
    return Cell(text, low, high) if low and high else Cell(text)


def _facts(line: _Line) -> tuple[str, ...]:
    """The facts of a run, in the order of `FACTS`."""
    run = line.run
    head = next((score for score in line.scores.values() if score.headline), next(iter(line.scores.values())))
    known = (
        run.objective,
        run.embedding_dim,
        line.probe,
        run.seeds if line.probe in ("paper", "none") else 1,
        head.n,
        head.people,
        run.data,
        run.date,
        run.commit,
        run.fabnet,
    )
    return tuple(DASH if each is None else str(each) for each in known)


def _relation_title(table: PublishedTable) -> str:
    what = "remaining error (100 - AUC)" if table.is_auc else "error"
    return f"{what} of FAb-Net over that of {'the baseline' if table.is_auc else 'the identity descriptor'}"


def _ratio(table: PublishedTable, first: float, second: float) -> Cell | None:
    """The ratio of the first error to the second; None if the second is zero."""
    if table.is_auc:
        first, second = 100 - first, 100 - second
    if second == 0:
        return None
    return Cell(f"{first / second:.2f}", note=f"{first:.{table.decimals}f} / {second:.{table.decimals}f}")


def _published_relations(table: PublishedTable) -> TablePanel:
    rows = [row for group in table.groups for row in group.rows]
    ours = next(row for row in rows if row.role == "fabnet")
    return TablePanel(
        origin="published",
        title=_relation_title(table),
        source="published, relation",
        label=f"{ours.method}, over",
        columns=table.relation_columns,
        groups=(
            Group(
                (),
                tuple(
                    TableRow(
                        row.method, tuple(_published_ratio(table, ours, row, each) for each in table.relation_columns)
                    )
                    for role in table.against
                    for row in rows
                    if row.role == role
                ),
            ),
        ),
    )


def _published_ratio(table: PublishedTable, ours: PublishedRow, other: PublishedRow, column: str) -> Cell:
    place = table.columns.index(column)
    first, second = (float(row.numbers[place].removesuffix(table.unit or " ")) for row in (ours, other))
    return _ratio(table, first, second) or Cell(DASH)


def _relations_here(table: PublishedTable, lines: Sequence[_Line]) -> TablePanel:
    """The ratio of each FAb-Net run to each baseline run with the same probe."""
    column = lines[0].place.data_set if table.number == 1 else table.relation_columns[0]
    rows = []
    for ours in lines:
        for other in lines:
            if ours.run.role != "fabnet" or other.run.role not in table.against or ours.probe != other.probe:
                continue
            first, second = (each.scores[column].value if column in each.scores else None for each in (ours, other))
            if first is None or second is None or (cell := _ratio(table, first, second)) is None:
                continue
            both = zip(_facts(ours), _facts(other), strict=True)
            facts = tuple(one if one == two else f"{one} / {two}" for one, two in both)
            rows.append(TableRow(f"{ours.run.model} over {other.run.model}", (cell,), facts))
    return _here(lines[0], _relation_title(table), (column,), rows, kind=", relation")
