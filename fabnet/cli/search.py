"""`fabnet search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

from fabnet.cli.flags import Flags
from fabnet.retrieval.options import SearchOptions
from fabnet.retrieval.search import SearchResult, search
from fabnet.runtime.terminal import console, say

__all__ = ["run", "show"]

SHOWN = ("id", "identity", "time_s")
"""Columns of a row that the table shows, beside those that a filter asks of; --json has all."""


def run(
    data: tyro.conf.Positional[Path],
    query: tuple[str, ...],
    options: tyro.conf.FlagCreatePairsOff[Flags[SearchOptions]],
) -> SearchResult:
    """Find the faces of an embeddings dataset that are most similar to a photo or to one of its rows, by the cosine.

    The dataset is what fabnet embed writes (Lance). Up to a million rows all are looked at; beyond, an IVF-PQ index is
    built once, kept in the dataset, and used.

    Examples:
      fabnet search faces.lance --query photo.jpg -k 20 --sheet neighbours.png
      fabnet search faces.lance --query talk.mp4/0/125 --other-identities
      fabnet search faces.lance --query a.jpg b.jpg c.jpg
      fabnet search faces.lance --query photo.jpg --where "pose_yaw_deg BETWEEN 20 AND 40"
      fabnet search faces.lance --query photo.jpg --video talk.mp4 --time 60:90 --json

    Args:
        data: The embeddings dataset.
        query: Photos, and ids of rows (VIDEO/TRACK/FRAME); the mean of several is searched for.
        options: How.
    """
    return search(data, query, options)


def show(result: SearchResult) -> None:
    """Print the neighbours for people."""
    from rich.table import Table

    title = f"nearest to {', '.join(result.query)}: {result.method} among {result.rows:,} rows"
    table = Table(title=title, title_justify="left")
    rows = result.neighbours
    asked = [name for name in (rows[0] if rows else {}) if name in (result.where or "") and name not in SHOWN]
    columns = [name for name in (*SHOWN, *asked) if any(row[name] is not None for row in rows)]
    for name in ("rank", "similarity", *columns):
        table.add_column(name, justify="left" if name in ("id", "identity") else "right")
    for row in result.neighbours:
        table.add_row(str(row["rank"]), f"{row['similarity']:.4f}", *(_text(row[name]) for name in columns))
    terminal = console()
    terminal.print(table)
    for note in result.notes:
        say(f"note: {note}")
    if result.sheet is not None:
        say(f"wrote {result.sheet}")


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
