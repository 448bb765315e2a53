"""`fabnet compact`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.runtime.terminal import console
from fabnet.upkeep.compact import CompactReport, compact

__all__ = ["run", "show"]


def run(path: tyro.conf.Positional[Path]) -> CompactReport:
    """Merge the files of a store of face-tracks or an embeddings dataset, and remove those of its history.

    Rows keep their order. It may be killed at any moment, and called as often as one likes.

    Examples:
      fabnet compact tracks.lance
      fabnet compact faces.lance --json

    Args:
        path: the store or dataset; no other command may be writing to it.
    """
    return compact(path)


def show(result: CompactReport) -> None:
    """Print what was saved."""
    from rich.table import Table

    table = Table("", "before", "after", title=f"compacted {result.path}: {result.rows:,} rows", title_justify="left")
    table.add_row("files", f"{result.files_before:,}", f"{result.files_after:,}")
    table.add_row("bytes", f"{result.bytes_before:,}", f"{result.bytes_after:,}")
    console().print(table)
