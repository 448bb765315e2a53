"""The paper's tables as CSV, LaTeX, an HTML page, or text for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fabnet.files.cells import as_cell
from fabnet.paper.paper_table import FACTS, MARKS, Cell, PaperTable, TablePanel, TableRow
from fabnet.paper.published import DASH
from fabnet.runtime.terminal import shown

__all__ = ["to_csv", "to_html", "to_json", "to_latex", "to_terminal"]

NARROW = 4  # upper bound of number columns that leave room for an interval on one line
LABEL, DATE = 23, 13  # widths in characters of a run's name and of its date in a terminal
LATEX_FACTS = ("D", "probe", "faces", "date", "commit")

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "°": r"$^\circ$",
    DASH: "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{each: f"\\{each}" for each in "&%$#_{}"},
}


def to_json(table: PaperTable) -> dict[str, Any]:
    """The table as a JSON object: its structure, with a mark on each panel."""
    found = asdict(table)
    for panel in (*found["panels"], *found["relations"]):
        panel["mark"] = MARKS[panel["origin"]]
    return found


def to_csv(table: PaperTable) -> str:
    """One rectangle: a row for each row of any panel, a column for each column of any panel; most cells are empty.

    Columns of runs have two more, for the ends of the 95 % interval. Degrees have no sign.
    """
    panels = (*table.panels, *table.relations)
    names = [name for panel in panels for name in _csv_names(panel)]
    written = io.StringIO()
    writer = csv.DictWriter(written, ["mark", "headings", "row", *names, *FACTS], restval="", lineterminator="\n")
    writer.writeheader()
    for panel in panels:
        for group in panel.groups:
            for row in group.rows:
                numbers = [text.removesuffix("°") for cell in row.cells for text in _csv_texts(panel, cell)]
                writer.writerow(
                    {
                        "mark": MARKS[panel.origin],
                        "headings": as_cell(", ".join(group.headings)),
                        "row": as_cell(row.label),
                    }
                    | dict(zip(_csv_names(panel), numbers, strict=True))
                    | dict(zip(panel.facts, map(as_cell, row.facts), strict=True))
                )
    return written.getvalue()


def _csv_names(panel: TablePanel) -> Iterator[str]:
    for name in panel.column_names():
        yield name
        if panel.origin == "here":
            yield f"{name}, low"
            yield f"{name}, high"


def _csv_texts(panel: TablePanel, cell: Cell) -> tuple[str, ...]:
    return (cell.text, cell.low, cell.high) if panel.origin == "here" else (cell.text,)


def to_latex(table: PaperTable) -> str:
    """A `table` environment with a `tabular` per panel, shrunk to the line width if it is wider."""
    panels = [_latex_panel(panel) for panel in (*table.panels, *table.relations)]
    template = _templates(
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>",
    ).get_template("table.tex")  # fmt: skip
    return str(template.render(panels=panels, caption=_tex(table.caption), number=table.number)) + "\n"


def _latex_panel(panel: TablePanel) -> dict[str, Any]:
    """The template's content of a panel, all text escaped for LaTeX."""
    indices = [panel.facts.index(fact) for fact in LATEX_FACTS if panel.facts]
    groups = []
    before: tuple[str, ...] = ()
    for group in panel.groups:
        headings = [
            {"text": _tex(heading), "style": r"\textit" if level else r"\textbf"}
            for level, heading in enumerate(group.headings)
            if group.headings[: level + 1] != before[: level + 1]
        ]
        before = group.headings
        lines = []
        for row in group.rows:
            lines.append(
                [_tex(text) for text in (row.label, *(c.text for c in row.cells), *(row.facts[i] for i in indices))]
            )
            if any(cell.detail for cell in row.cells):
                details = [rf"{{\tiny {_tex(cell.detail)}}}" if cell.detail else "" for cell in row.cells]
                lines.append(["", *details, *([""] * len(indices))])
        groups.append({"headings": headings, "lines": lines})
    return {
        "mark": _tex(MARKS[panel.origin]),
        "title": _tex(panel.title),
        "head": [_tex(text) for text in (panel.label, *panel.columns, *(panel.facts[i] for i in indices))],
        "num_columns": len(panel.columns),
        "num_facts": len(indices),
        "groups": groups,
    }


def _tex(text: str) -> str:
    """Escape plain text for LaTeX. A leading bracket would be read as an option of the preceding line break."""
    escaped = "".join(_LATEX.get(each, each) for each in " ".join(text.split()))
    return "{}" + escaped if escaped.startswith("[") else escaped


def to_html(table: PaperTable) -> str:
    """A self-contained page for light and dark mode."""
    template = _templates(autoescape=True).get_template("table.html")
    return str(template.render(table=table, marks=MARKS, dash=DASH, zip=zip))


def _templates(**options: Any) -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("fabnet.paper", ".")
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options)


def to_terminal(table: PaperTable, *, width: int = 100) -> RenderableType:
    """Panels one below the other; a run's facts are below its name.

    Args:
        table: the table to show.
        width: width in characters; columns of runs that do not fit go below the others.
    """
    parts: list[RenderableType] = [Text(f"Table {table.number}: {table.caption}", style="bold"), Text()]
    for panel in (*table.panels, *table.relations):
        parts += [Text.assemble((f" {MARKS[panel.origin]} ", "reverse"), f"  {panel.title}")]
        parts += [_text_table(panel, part) for part in _across(panel, width)]
    if len(table.panels) == 1:
        parts.append(Text("No results yet: fabnet probe --json > FILE, then --results FILE.", style="dim"))
    if table.left_out:
        parts.append(Text(f"Not of table {table.number}: {', '.join(table.left_out)}", style="dim"))
    return Lines(*parts)


def _across(panel: TablePanel, width: int) -> list[slice]:
    """Groups of columns that fit side by side."""
    if panel.origin == "published" or len(panel.columns) <= NARROW:
        return [slice(None)]
    parts, start, used = [], 0, 0
    for index, column in enumerate(panel.columns):
        needed = 1 + max(len(column), 4)
        if used + needed > width - LABEL - DATE and index > start:
            parts.append(slice(start, index))
            start, used = index, 0
        used += needed
    return [*parts, slice(start, None)]


def _text_table(panel: TablePanel, part: slice) -> RenderableType:
    gap = 1 if len(panel.columns) <= NARROW else 0  # the box itself puts a space between columns
    shown = Table(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    shown.add_column(panel.label, overflow="fold", min_width=LABEL - 1 if panel.facts else None)
    for column in panel.columns[part]:
        shown.add_column(Text(column), justify="right", no_wrap=True)
    if panel.facts:
        shown.add_column("date, commit", no_wrap=True)
    before: tuple[str, ...] = ()
    for group in panel.groups:
        for level, heading in enumerate(group.headings):
            if group.headings[: level + 1] != before[: level + 1]:
                shown.add_row(Text(heading, style="italic" if level else "bold"))
        before = group.headings
        for row in group.rows:
            cells = [_text_cell(cell, is_narrow=len(panel.columns) <= NARROW) for cell in row.cells[part]]
            shown.add_row(_text_label(panel, row), *cells, *_text_date(panel, row))
    return Padding(shown, (0, 0, 1, 0))


def _text_cell(cell: Cell, *, is_narrow: bool) -> Text:
    under = [cell.detail] if is_narrow else [cell.low, cell.high]
    return Text.assemble(cell.text, *((f"\n{each}", "dim") for each in under if each))


def _text_label(panel: TablePanel, row: TableRow) -> Text:
    if not panel.facts:
        return Text(shown(row.label))
    known = dict(zip(panel.facts, map(as_cell, row.facts), strict=True))
    what = f"D {known['D']}, {known['probe']}, {known['seeds']} {'seed' if known['seeds'] == '1' else 'seeds'}"
    return Text.assemble(row.label, (f"\n{what}\n{known['faces']} faces, {known['people']} people", "dim"))


def _text_date(panel: TablePanel, row: TableRow) -> list[Text]:
    known = dict(zip(panel.facts, map(as_cell, row.facts), strict=True))
    return [Text(f"{known['date']}\n{known['commit']}")] if known else []
