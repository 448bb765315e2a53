"""`fabnet courses`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

from fabnet.cli.flags import Flags
from fabnet.over_time.options import CoursesOptions, SynchronyOptions
from fabnet.over_time.verb import CoursesResult, courses_to, summary_to, synchrony_to
from fabnet.runtime.terminal import console, say

__all__ = ["run", "show"]

MAX_SHOWN = 20


def run(
    table: tyro.conf.Positional[Path],
    options: Flags[CoursesOptions],
    pair: Flags[SynchronyOptions],
    out: Path | None = None,
    source: str | None = None,
    summary: bool = False,
    synchrony: tuple[str, str] | None = None,
) -> CoursesResult:
    """Follow over time what fabnet read found: smoothed courses, each person's own baseline, summaries, synchrony.

    docs/time-courses.md explains every number, and what not to conclude from it.

    Examples:
      fabnet read talk.mp4 --out talk.parquet
      fabnet courses talk.parquet --out smooth.parquet
      fabnet courses talk.parquet --baseline 0:10 --out long.csv
      fabnet courses talk.parquet --out talk.eaf
      fabnet courses talk.parquet --out talk.vtt
      fabnet courses talks.parquet --summary --out people.csv
      fabnet courses two.parquet --synchrony two.mp4/0 two.mp4/1 --quantity smile --json

    Args:
        table: A .parquet or .csv file that fabnet read wrote, or a .parquet file that this verb wrote.
        options: How courses are smoothed.
        pair: How two people are compared.
        out: Courses go to a .parquet file, a .csv file (a row per number), an .eaf file (tiers of ELAN) or a .vtt file
            (WebVTT); a summary or synchrony to .parquet or .csv. By default the terminal.
        source: Only this video or photo, as in the column source.
        summary: One row per person and video: mean, spread, blinks and smiles per minute, share of unreadable frames.
        synchrony: Two people, as in the column person: how closely one follows the other, and how closely by chance.
            Comes before --summary.
    """
    if synchrony is not None:
        return synchrony_to(table, synchrony, out, options, pair, source=source)
    return (summary_to if summary else courses_to)(table, out, options, source=source)


def show(result: CoursesResult) -> None:
    """Print a table, or where it went, for people."""
    from rich.table import Table

    if result.out is not None:
        say(f"wrote {result.out}")
    else:
        shown = result.table.select(result.shown)
        if len(shown.schema.names) > len(shown):
            table = Table("", *[str(index + 1) for index in range(min(len(shown), MAX_SHOWN))])
            for name in shown.schema.names:
                table.add_row(name, *[_text(each) for each in shown.column(name)[:MAX_SHOWN].to_pylist()])
        else:
            table = Table(*shown.schema.names)
            for row in shown.slice(0, MAX_SHOWN).to_pylist():
                table.add_row(*[_text(each) for each in row.values()])
        console().print(table)
        if len(shown) > MAX_SHOWN:
            console().print(f"... and {len(shown) - MAX_SHOWN:,} more; --out FILE writes them all", highlight=False)
    for note in result.notes:
        say(f"note: {note}")


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
