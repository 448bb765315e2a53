"""Runs real command-line processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["TRACK", "repeated", "started", "timed"]

TRACK = ("--fps", 5, "--link-fps", 10, "--size", 64, "--num-workers", 1)


def started(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fabnet", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def timed(*args: object) -> float:
    """Duration of a command in seconds."""
    began = time.monotonic()
    process = started(*args)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return time.monotonic() - began


def repeated(store: Path, folder: Path, count: int) -> Path:
    """A store that has the rows of another one several times, each time under other names of videos."""
    rows = lance.dataset(str(store)).to_table()
    at = rows.schema.get_field_index("video")
    copies = [
        rows.set_column(at, rows.schema.field(at), pc.binary_join_element_wise(rows["video"], str(number), "-"))
        for number in range(count)
    ]
    lance.write_dataset(pa.concat_tables(copies), folder / "repeated")
    return folder / "repeated"
