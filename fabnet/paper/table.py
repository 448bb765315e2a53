"""`fabnet table`: one of the paper's tables, with published rows next to this project's results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabnet.files.output import written_whole
from fabnet.files.places import as_place, several
from fabnet.paper.paper_table import PaperTable, paper_table
from fabnet.paper.results import read_result
from fabnet.paper.table_formats import to_csv, to_html, to_json, to_latex

__all__ = ["TableResult", "table"]


@dataclass(frozen=True)
class TableResult:
    """A table and its files.

    Attributes:
        table: the content of the table.
        files: HTML, LaTeX and CSV; empty if no folder was given.
    """

    table: PaperTable
    files: list[Path]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return to_json(self.table) | {"files": [str(file) for file in self.files]}


def table(
    number: int, *, out: str | Path | None = None, results: str | Path | Iterable[str | Path] = ()
) -> TableResult:
    """Put your results next to the paper's rows, in columns of their own.

    Args:
        number: 1 landmarks, 2 pose, 3 action units, 4 expressions.
        out: folder for `tableN.html`, `tableN.tex` and `tableN.csv`; None: nothing is written.
        results: files from `fabnet probe --json`.

    Raises:
        InputError: the table does not exist, or a file is not a results file.
        OutputError: the files cannot be written.
    """
    made = paper_table(number, [read_result(file) for file in several(results)])
    if out is None:
        return TableResult(made, [])
    files = []
    for ending, write in (("html", to_html), ("tex", to_latex), ("csv", to_csv)):
        file = as_place(out) / f"table{number}.{ending}"
        with written_whole(file) as partial:
            partial.write_text(write(made), encoding="utf-8")
        files.append(file)
    return TableResult(made, files)
