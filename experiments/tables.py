"""CSV files of the data and of the experiments."""

from __future__ import annotations

import csv
from pathlib import Path


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column."""
    with file.open(newline="") as content:
        return list(csv.DictReader(content))


def write_table(file: Path, header: str, rows: dict[str, str]) -> None:
    """Write a CSV file of two columns, of which the first is the key."""
    file.write_text("\n".join([header, *(f"{key},{value}" for key, value in rows.items())]) + "\n")
