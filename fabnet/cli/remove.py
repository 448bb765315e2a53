"""`fabnet remove`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.runtime.terminal import console
from fabnet.upkeep.remove import RemoveReport, remove

__all__ = ["run", "show"]

LISTED = 20


def run(
    path: tyro.conf.Positional[Path],
    identity: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
) -> RemoveReport:
    """Remove people from a store of face-tracks or an embeddings dataset: their rows, and all files that hold them.

    It says what it cannot reach. Again with the same names it does nothing; after a kill it goes on.

    Examples:
      fabnet remove tracks.lance --identity Ann
      fabnet remove faces.lance --identity Ann --identity Bob
      fabnet remove tracks.lance   # only goes on with a removal that was killed

    Args:
        path: the store or dataset; no other command may be writing to it.
        identity: a name, as the column identity gives it; may be given several times.
    """
    return remove(path, identity)


def show(result: RemoveReport) -> None:
    """Print what was removed, and what was not reached."""
    from rich.table import Table

    terminal = console()
    table = Table("", "", title=f"removed from {result.path}", show_header=False, title_justify="left")
    for name, rows in result.removed.items():
        table.add_row(name, f"{rows:,} rows")
    for name in result.already_removed:
        table.add_row(name, "was removed before")
    table.add_row("in all", f"{result.rows:,} rows, {result.tracks:,} tracks, {result.videos:,} videos")
    table.add_row("bytes on disk", f"{result.bytes_before:,} before, {result.bytes_after:,} after")
    terminal.print(table)
    terminal.print("not reached, and yours to see to:")
    for line in result.not_reached:
        terminal.print(f"  - {line}", highlight=False)
    for source in result.sources[:LISTED]:
        terminal.print(f"source: {source}", highlight=False)
    if len(result.sources) > LISTED:
        terminal.print(f"... and {len(result.sources) - LISTED:,} more: --json lists all")
