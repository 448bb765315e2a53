"""`fabnet search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fabnet.retrieval.search import SearchResult, search
from fabnet.runtime.terminal import console, say

__all__ = ["run", "show"]

SHOWN = ("id", "identity", "time_s")
"""Columns of a row that the table shows, beside those that a filter asks of; --json has all."""


def run(
    data: tyro.conf.Positional[Path],
    query: tuple[str, ...],
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10,
    other_identities: bool = False,
    where: str | None = None,
    video: str | None = None,
    time: str | None = None,
    index: tyro.conf.FlagCreatePairsOff[bool] = False,
    exact: tyro.conf.FlagCreatePairsOff[bool] = False,
    sheet: Path | None = None,
    model: str | None = None,
    crop: Literal["detect", "none"] = "detect",
    min_face: float | None = None,
    device: str = "auto",
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
        data: the embeddings dataset.
        query: photos, and ids of rows (VIDEO/TRACK/FRAME); the mean of several is searched for.
        k: how many neighbours.
        other_identities: leave out the people that the rows searched for are of.
        where: a condition on the dataset's columns, in SQL; pose and the like are columns after embed --attributes.
        video: only rows of this video.
        time: only rows from one time of their video up to another, A:B in seconds; either may be left out.
        index: use the index whatever the size, and build it where there is none.
        exact: look at all rows whatever the size.
        sheet: PNG file to write a contact sheet to.
        model: the model that made the embeddings; by default the one that the dataset names.
        crop: detect takes the largest face of a photo; none the photo as a face crop.
        min_face: side of the smallest face looked for in a photo, in pixels; by default 1/64 of its longer side, at
            least 20. Smaller takes longer.
        device: for models that run on torch: auto, cpu, cuda or cuda:N.
    """
    from fabnet.errors import InputError

    if index and exact:
        raise InputError("--index and --exact exclude each other; give one of them")
    return search(
        data, query, k=k, other_identities=other_identities, where=where, video=video, time_s=_times(time),
        index=True if index else False if exact else None, sheet=sheet, model=model, crop=crop, min_face=min_face,
        device=device,
    )  # fmt: skip


def _times(text: str | None) -> tuple[float | None, float | None]:
    from fabnet.errors import InputError

    first, colon, last = (text or ":").partition(":")
    try:
        begin, end = (float(part) if part.strip() else None for part in (first, last))
    except ValueError:
        colon = ""
    if not colon:
        raise InputError(f"--time takes two numbers of seconds, as 60:90, 60: or :90; got {text!r}")
    return begin, end


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
