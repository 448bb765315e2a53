"""`fabnet table`: one of the paper's tables, published rows beside what was run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabnet.output import written_whole
from fabnet.places import as_place
from fabnet.reporting.results import read_result
from fabnet.reporting.table_formats import to_csv, to_html, to_json, to_latex
from fabnet.reporting.tables import PaperTable, paper_table

__all__ = ["TableResult", "table"]


@dataclass(frozen=True)
class TableResult:
    """A table and where it was written.

    Attributes:
        table: all that is shown.
        files: HTML, LaTeX and CSV; none if no folder was given.
    """

    table: PaperTable
    files: list[Path]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return to_json(self.table) | {"files": [str(file) for file in self.files]}


def table(number: int, *, out: str | Path | None = None, results: Sequence[str | Path] = ()) -> TableResult:
    """Put what was run here beside the paper's rows, in columns of its own.

    Args:
        number: 1 landmarks, 2 pose, 3 action units, 4 expressions.
        out: folder to write `tableN.html`, `tableN.tex` and `tableN.csv` to; None: nothing is written.
        results: files that `fabnet probe --json` wrote.

    Raises:
        InputError: no such table, or a file is not what the probe writes.
        OutputError: the files cannot be written.
    """
    made = paper_table(number, [read_result(file) for file in results])
    if out is None:
        return TableResult(made, [])
    files = []
    for ending, write in (("html", to_html), ("tex", to_latex), ("csv", to_csv)):
        file = as_place(out) / f"table{number}.{ending}"
        with written_whole(file) as partial:
            partial.write_text(write(made), encoding="utf-8")
        files.append(file)
    return TableResult(made, files)
