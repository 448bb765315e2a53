"""`fabnet read`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import tyro

from fabnet.cli.flags import Flags
from fabnet.faces.units import UNIT_COLUMNS
from fabnet.files.folder import left_out_lines
from fabnet.reading.options import ReadOptions
from fabnet.reading.read import ReadResult, read_all, read_to, write
from fabnet.reading.table import PRESENT
from fabnet.runtime.terminal import console, say

__all__ = ["run", "show"]

MAX_SHOWN = 20


@dataclass(frozen=True)
class ShownTable:
    """A table that was read and goes to the terminal."""

    table: pa.Table
    result: ReadResult

    def to_json(self) -> dict[str, Any]:
        """The result, and the rows as `rows_read`."""
        return self.result.to_json() | {"rows_read": self.table.to_pylist()}


def run(
    inputs: tyro.conf.Positional[tuple[Path, ...]], options: Flags[ReadOptions], out: Path | None = None
) -> ReadResult | ShownTable:
    """Read pose, points, expression and action units of photos, videos, folders or a store, with how sure they are.

    One row per face and frame. A number has a half-width, NAME_pm, that holds 90 % of the errors; in_range says whether
    the face is like those that the readings are reliable on, and out_of_range why not. A frame without a face and a
    file that cannot be read have a row with the reason. docs/reading.md explains the columns.

    Examples:
      fabnet read photo.jpg
      fabnet read talk.mp4 --out talk.csv
      fabnet read album/ --faces all --out faces.parquet
      fabnet read interview.mp4 --faces all --people video --fps 10 --out interview.parquet
      fabnet read talk.mp4 --columns openface --out talk.csv
      fabnet read photo.jpg --json

    Args:
        inputs: Photos, videos, folders of them (hidden files are left out), or a store of face-tracks.
        options: How.
        out: A .csv or .parquet file; by default the terminal.
    """
    return ShownTable(*read_all(inputs, options)) if out is None else read_to(inputs, out, options)


def show(result: ReadResult | ShownTable) -> None:
    """Print what was read for people."""
    from rich.table import Table

    if isinstance(result, ShownTable):
        _show_rows(result.table)
        _show_missing(result.result, to_stderr=not _is_ours(result.table))
        return
    table = Table("", "", title=f"read into {result.out}", show_header=False, title_justify="left")
    table.add_row("model", result.model)
    table.add_row("rows", f"{result.rows:,}")
    table.add_row("with a face", f"{result.faces:,}")
    table.add_row("in range", f"{result.in_range:,}")
    table.add_row("faces per second", f"{result.faces_per_s:,.1f}")
    console().print(table)
    _show_missing(result)


def _is_ours(read: pa.Table) -> bool:
    """Whether the columns are fabnet's, and not another tool's."""
    return "pose_yaw_deg" in read.schema.names


def _show_missing(result: ReadResult, *, to_stderr: bool = False) -> None:
    """How tracks became people, what could not be read, and what was left out."""
    if result.people is not None:
        console(to_stderr=to_stderr).print(result.people.line(), highlight=False)
    lines = [reason if reason.startswith(source) else f"{source}: {reason}" for source, reason in result.failed]
    for line in [f"cannot be read: {each}" for each in lines] + left_out_lines(result.left_out):
        console(to_stderr=to_stderr).print(line, highlight=False)
    for note in result.notes:
        console(to_stderr=to_stderr).print(f"note: {note}", highlight=False)


def _show_rows(read: pa.Table) -> None:
    """The first faces, each on a line; another tool's columns as CSV."""
    from rich.table import Table

    if not _is_ours(read):
        text = io.BytesIO()
        write(read.to_batches(), read.schema, text, ".csv")
        for line in text.getvalue().decode().rstrip("\n").split("\n"):
            say(line)
        return
    units = [name for name in read.schema.names if name in UNIT_COLUMNS]
    titles = ("file", "time", "face", "yaw", "pitch", "roll", "smile", "expression", "units", "note")
    table = Table(*titles, title="degrees with 90 % half-widths; smile is a probability", title_justify="left")
    for row in read.slice(0, MAX_SHOWN).to_pylist():
        time = "" if row["time_s"] is None else f"{row['time_s']:.2f} s"
        if row["in_range"] is None:
            reason = "cannot be read" if row["track"] is None else row["reason"]
            table.add_row(row["source"], time, "", *[""] * 6, reason)
            continue
        angles = [
            f"{row[f'pose_{name}_deg']:.0f} ± {row[f'pose_{name}_deg_pm']:.0f}" for name in ("yaw", "pitch", "roll")
        ]
        present = " ".join(name for name in units if row[name] >= PRESENT)
        table.add_row(row["source"], time, row["track"], *angles, f"{row['smile']:.2f}", row["expression"], present,
                      row["out_of_range"])  # fmt: skip
    console().print(table)
    if len(read) > MAX_SHOWN:
        console().print(f"... and {len(read) - MAX_SHOWN:,} more rows; --out FILE writes them all", highlight=False)
