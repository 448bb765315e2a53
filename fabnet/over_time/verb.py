"""The verb `courses`: from a file to a file, or to the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import InputError
from fabnet.files.places import as_place, is_same_file
from fabnet.over_time.courses import courses, notes_of
from fabnet.over_time.options import CoursesOptions, SynchronyOptions
from fabnet.over_time.readings import readings
from fabnet.over_time.summary import summary
from fabnet.over_time.synchrony import synchrony
from fabnet.over_time.write import check_out, write_courses, write_table

__all__ = ["CoursesResult", "courses_to", "summary_to", "synchrony_to"]

SHOWN = ("source", "person", "time_s", "pose_yaw_deg", "pose_pitch_deg", "mouth_opening", "smile", "expression")
PAIR = ("start_s", "end_s", "r", "lag_s", "r_without_lag", "r_by_chance", "is_above_chance")


@dataclass
class CoursesResult:
    """A table made from readings."""

    table: pa.Table
    """The table."""
    shown: list[str] = field(default_factory=list)
    """Columns that the terminal shows."""
    out: Path | None = None
    """The file that it was written to; None: it goes to the terminal."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.table)

    def to_json(self) -> dict[str, Any]:
        """The rows if they go to the terminal, else where they went."""
        about = {"notes": self.notes, "rows": self.rows}
        return about | ({"table": self.table.to_pylist()} if self.out is None else {"out": str(self.out)})


def courses_to(
    table: Path, out: Path | None = None, options: CoursesOptions | None = None, *, source: str | None = None
) -> CoursesResult:
    """Write the courses of a file of readings, as in `courses`.

    Args:
        table: a .parquet or .csv file.
        out: a .parquet, .csv, .eaf or .vtt file; None: nothing is written.
        options: how.
        source: only this source; None: all.

    Raises:
        InputError: a file cannot be read, or does not fit its ending.
        MissingDependencyError: an .eaf file needs the package pympi-ling.
        OutputError: the disk is full, or writing there is not allowed.
    """
    options = options or CoursesOptions()
    out = _checked(out, table, is_courses=True)
    made = courses(_readings(table, source), options)
    if out is not None:
        write_courses(made, out, max_gap=options.max_gap)
    return CoursesResult(made, [name for name in SHOWN if name in made.schema.names], out, notes_of(made))


def summary_to(
    table: Path, out: Path | None = None, options: CoursesOptions | None = None, *, source: str | None = None
) -> CoursesResult:
    """Write the summary of a file of readings, as in `summary`; the arguments and errors are those of `courses_to`."""
    out = _checked(out, table, is_courses=False)
    return _written(summary(_readings(table, source), options), out)


def synchrony_to(
    table: Path, people: tuple[str, str], out: Path | None = None, options: CoursesOptions | None = None,
    pair: SynchronyOptions | None = None, *, source: str | None = None,
) -> CoursesResult:  # fmt: skip
    """Write the synchrony of two people of a file of readings, as in `synchrony`.

    Args:
        table: a .parquet or .csv file.
        people: the two, as in the column `person`.
        out: a .parquet or .csv file; None: nothing is written.
        options: how the courses are smoothed.
        pair: how they are compared.
        source: only this source; None: all.

    Raises:
        InputError: as in `synchrony`.
        OutputError: the disk is full, or writing there is not allowed.
    """
    out = _checked(out, table, is_courses=False)
    made = synchrony(courses(_readings(table, source), options), *people, pair)
    about = {key.decode().rpartition(".")[2]: value.decode() for key, value in made.schema.metadata.items()}
    result = _written(made, out)
    result.shown = [name for name in PAIR if name in made.schema.names]
    result.notes.append(
        f"mean size of r: {about['mean_r']}; by chance: {about['mean_r_by_chance']}; p = {about['p']}; the smallest p "
        f"that so short a time can give: {about['smallest_p']}"
    )
    return result


def _readings(table: Path, source: str | None) -> pa.Table:
    found = readings(table)
    if source is None:
        return found
    own = found.filter(pc.equal(found.column("source"), source))
    if not len(own):
        known = list(dict.fromkeys(found.column("source").to_pylist()))
        raise InputError(f"{table} has no source {source!r}; it has {', '.join(known[:5])}" + " ..." * (len(known) > 5))
    return own


def _checked(out: Path | None, table: Path, *, is_courses: bool) -> Path | None:
    if out is None:
        return None
    out = as_place(out)
    check_out(out, is_courses=is_courses)
    if is_same_file(out, as_place(table)):
        raise InputError(f"{out} is the input, which courses would replace: choose another --out")
    return out


def _written(made: pa.Table, out: Path | None) -> CoursesResult:
    if out is not None:
        write_table(made, out)
    return CoursesResult(made, made.schema.names, out, notes_of(made))
