"""`fabnet read`."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
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
LEAST_WIDTH = 9
"""Characters that a column of long texts has at the least, if the terminal is narrow."""


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
    shown = read.slice(0, MAX_SHOWN).to_pylist()
    columns = {title: [text(row) for row in shown] for title, text in _columns(units).items()}
    title = "degrees with 90 % half-widths; smile is a probability"
    if len(set(columns["file"])) == 1:
        title = f"{columns.pop('file')[0]}: {title}"
    if len({*columns["face"]} - {""}) < 2:
        del columns["face"]
    columns = {name: texts for name, texts in columns.items() if any(texts)}
    table = Table(title=title, title_justify="left")
    for name in columns:
        is_long = name in ("file", "units, note")
        table.add_column(name, no_wrap=not is_long, overflow="fold", min_width=LEAST_WIDTH if is_long else None)
    for texts in zip(*columns.values(), strict=True):
        table.add_row(*texts)
    console().print(table)
    if len(read) > MAX_SHOWN:
        console().print(f"... and {len(read) - MAX_SHOWN:,} more rows; --out FILE writes them all", highlight=False)


def _columns(units: Sequence[str]) -> dict[str, Callable[[dict[str, Any]], str]]:
    """The columns of the terminal's table: a title, and the text of a row."""

    def of_face(text: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
        return lambda row: "" if row["in_range"] is None else text(row)

    def angle(name: str) -> Callable[[dict[str, Any]], str]:
        return of_face(lambda row: f"{row[f'pose_{name}_deg']:.0f} ± {row[f'pose_{name}_deg_pm']:.0f}")

    def note(row: dict[str, Any]) -> str:
        if row["in_range"] is None:
            return "cannot be read" if row["track"] is None else str(row["reason"])
        return " ".join([*(name for name in units if row[name] >= PRESENT), row["out_of_range"]]).rstrip()

    return {
        "file": lambda row: row["source"],
        "time": lambda row: "" if row["time_s"] is None else f"{row['time_s']:.2f} s",
        "face": of_face(lambda row: str(row["track"])),
        "yaw": angle("yaw"),
        "pitch": angle("pitch"),
        "roll": angle("roll"),
        "smile": of_face(lambda row: f"{row['smile']:.2f}"),
        "expression": of_face(lambda row: row["expression"]),
        "units, note": note,
    }
