"""Courses and their summaries as files: Parquet, tidy CSV, ELAN tiers, WebVTT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError
from fabnet.files.cells import write_csv
from fabnet.files.output import written_whole
from fabnet.over_time.readings import numbers, quantities
from fabnet.over_time.tiers import write_elan, write_webvtt

__all__ = ["check_out", "write_courses", "write_table"]

TABLES = (".parquet", ".csv")
SUBTITLES = (".eaf", ".vtt")
ROWS_AT_ONCE = 4096
LONG = pa.schema(
    [
        ("source", pa.string()), ("person", pa.string()), ("track", pa.string()), ("frame", pa.int64()),
        ("time_s", pa.float64()), ("quantity", pa.string()), ("value", pa.float64()), ("half_width", pa.float64()),
    ]
)  # fmt: skip


def check_out(out: Path, *, is_courses: bool) -> None:
    """Refuse a file that cannot be written.

    Args:
        out: the file.
        is_courses: whether courses go into it, or a table of something else.

    Raises:
        InputError: its ending is unknown, or it is a folder.
    """
    suffixes = TABLES + SUBTITLES if is_courses else TABLES
    if out.suffix.lower() not in suffixes:
        raise InputError(f"--out {out} ends in {out.suffix or 'nothing'!r}; expected {', '.join(suffixes)}")
    if out.is_dir():
        raise InputError(f"--out {out} is a folder; expected a file")


def write_courses(table: pa.Table, out: Path, *, max_gap: float) -> None:
    """Write courses by the ending of the file.

    `.parquet` holds the table; `.csv` its readable numbers in long form, a row per number; `.eaf` and `.vtt` what
    happened when: smiles, blinks, action units and the like.

    Args:
        table: from `courses`.
        out: the file; its ending says what is written.
        max_gap: upper bound of the seconds between two frames of one event.

    Raises:
        InputError: the ending is unknown, or an .eaf or .vtt file is asked for several videos or for photos.
        MissingDependencyError: an .eaf file needs the package pympi-ling.
        OutputError: the disk is full, or writing there is not allowed.
    """
    check_out(out, is_courses=True)
    suffix = out.suffix.lower()
    with written_whole(out) as partial:
        if suffix == ".eaf":
            write_elan(table, partial, max_gap=max_gap)
        elif suffix == ".vtt":
            write_webvtt(table, partial, max_gap=max_gap)
        elif suffix == ".csv":
            write_csv(_long(table), LONG, partial)
        else:
            _write_parquet(table, partial)


def write_table(table: pa.Table, out: Path) -> None:
    """Write a summary or synchrony to a `.parquet` or `.csv` file.

    Raises:
        InputError: the ending is unknown.
        OutputError: the disk is full, or writing there is not allowed.
    """
    check_out(out, is_courses=False)
    with written_whole(out) as partial:
        if out.suffix.lower() == ".csv":
            write_csv(table.to_batches(), table.schema, partial)
        else:
            _write_parquet(table, partial)


def _write_parquet(table: pa.Table, file: Path) -> None:
    import pyarrow.parquet as parquet

    parquet.write_table(table, file)


def _long(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """A row per number that is there, some frames at a time."""
    names = quantities(table.schema)
    for start in range(0, len(table), ROWS_AT_ONCE):
        part = table.slice(start, ROWS_AT_ONCE).combine_chunks()
        values = np.stack([numbers(part, name) for name in names], axis=1)
        widths = np.full(values.shape, np.nan)
        for index, name in enumerate(names):
            if f"{name}_pm" in part.schema.names:
                widths[:, index] = numbers(part, f"{name}_pm")
        rows, indices = np.nonzero(np.isfinite(values))
        made = {each: part.column(each).combine_chunks().take(pa.array(rows)) for each in LONG.names[:5]}
        made["quantity"] = pa.array(names, pa.string()).take(pa.array(indices))
        made["value"] = pa.array(values[rows, indices])
        kept = widths[rows, indices]
        made["half_width"] = pa.array(kept, mask=np.isnan(kept))
        yield pa.RecordBatch.from_arrays([made[field.name].cast(field.type) for field in LONG], schema=LONG)
