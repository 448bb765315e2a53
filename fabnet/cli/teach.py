"""`fabnet teach`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.cli.flags import Flags
from fabnet.runtime.terminal import console, say
from fabnet.teaching.options import TeachOptions
from fabnet.teaching.teach import TeachResult, teach

__all__ = ["run", "show"]


def run(model: tyro.conf.Positional[Path], data: Path, options: Flags[TeachOptions]) -> TeachResult:
    """Give an encoder of your own attributes, taught by the shipped encoder's readings of your footage.

    The face reader is written into the model's folder, and fabnet read --model and embed --model --attributes use it.
    It is fitted on people of the store's split train, and compared with the shipped encoder's readings on those of val
    and test. What agrees poorly there is marked experimental. For labels of your own: fabnet probe --protocol FILE.csv.

    Examples:
      fabnet teach run --data tracks.lance
      fabnet read talk.mp4 --model run --out talk.csv
      fabnet embed talk.mp4 --model run --attributes --out talk.parquet

    Args:
        model: A run, a checkpoint or a model folder.
        data: A store of face-tracks of several people.
        options: How.
    """
    return teach(model, data, options)


def show(result: TeachResult) -> None:
    """Print how well each attribute agrees."""
    from rich.table import Table

    title = (
        f"{result.model} against {result.by} on {result.held_faces:,} faces of {result.held_people:,} people held out, "
        f"{result.in_range:.0%} of them in range"
    )
    table = Table(title=title, title_justify="left")
    for column in ("attribute", "agreement", "value", "95 % interval", "faces", "people", "note"):
        table.add_column(column, justify="right" if column in ("value", "faces", "people") else "left")
    for row in result.agreement:
        value, low, high = ("-" if row[name] is None else f"{row[name]:.2f}" for name in ("value", "low", "high"))
        spread = "" if low == "-" else f"{low} to {high}"
        note = f"experimental: {row['experimental']}" if row["experimental"] else ""
        table.add_row(row["attribute"], row["metric"], value, spread, f"{row['n']:,}", f"{row['people']:,}",
                      note)  # fmt: skip
    console().print(table)
    say(f"taught by {result.faces:,} faces of {result.people:,} people: {result.reader}")
    say(f"use it: fabnet read VIDEO --model {result.model} --out FILE.csv")
