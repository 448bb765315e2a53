"""`fabnet table`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.paper.table import TableResult, table
from fabnet.runtime.terminal import console, say

__all__ = ["run", "show"]


def run(number: tyro.conf.Positional[int], out: Path | None = None, results: tuple[Path, ...] = ()) -> TableResult:
    """Show one of the paper's tables, and beside its rows, in columns of its own, what was run here.

    Table 1 is about landmarks, 2 pose, 3 action units, 4 expressions. Published numbers are "the paper's number on its
    data", others "reproduced on our data", each with its data set, date and commit. The last lines give FAb-Net's error
    over its baselines'.

    Examples:
      fabnet table 1
      fabnet probe --model run --protocol mtfl --data mtfl --json > mtfl.json
      fabnet table 1 --results mtfl.json youtube-faces.json --out tables

    Args:
        number: the paper's number of the table.
        out: folder to write tableN.html, tableN.tex and tableN.csv to; if left out, nothing is written.
        results: files that fabnet probe --json wrote.
    """
    return table(number, out=out, results=results)


def show(result: TableResult) -> None:
    """Print the table, then where it was written."""

    from fabnet.paper.table_formats import to_terminal

    terminal = console()
    terminal.print(to_terminal(result.table, width=terminal.width))
    for file in result.files:
        say(f"wrote {file}")
