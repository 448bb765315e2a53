"""`fabnet import`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from fabnet.cli.flags import Flags
from fabnet.files.folder import LeftOut, left_out_lines
from fabnet.ingest.import_folder import ImportReport, import_folder
from fabnet.ingest.options import ImportOptions
from fabnet.runtime.terminal import console
from fabnet.store.summary import StoreSummary

__all__ = ["print_store", "run", "show"]

LISTED = 20


def run(
    folder: tyro.conf.Positional[Path],
    out: Path,
    options: Flags[ImportOptions],
) -> ImportReport:
    """Put folders of frames, or of videos of faces already cropped, into a store of face-tracks.

    A repeated command skips what is finished. Every frame that is left out is listed with the reason.

    Examples:
      fabnet import crops/ --out tracks.lance --crop fabnet
      fabnet import voxceleb/ --out tracks.lance --layout voxceleb --speakers vox1_meta.csv
      fabnet import frames/ --out tracks.lance --layout identity/video --crop detect --splits people.csv
      fabnet import vox1/txt/ --out tracks.lance --layout voxceleb --videos originals/

    Args:
        folder: A folder with one folder per identity, or VoxCeleb's.
        out: The store; made if it does not exist.
        options: How.
    """
    return import_folder(folder, out, options)


def show(result: ImportReport) -> None:
    """Print what was imported for people."""
    rows = [
        ("videos", f"{result.num_videos:,}, of which {result.num_skipped:,} were finished before"),
        ("frames", f"{result.frames_with_face:,} of {result.frames:,} kept, {len(result.dropped):,} left out"),
    ]
    listed = [("failed", video, reason) for video, reason in result.failed]
    listed += [("left out", source, reason) for source, reason in result.dropped]
    print_store("imported", result.store, rows, listed, result.notes, result.left_out)


def print_store(
    done: str,
    store: StoreSummary,
    rows: Sequence[tuple[str, str]],
    listed: Sequence[tuple[str, str, str]] = (),
    notes: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
) -> None:
    """Print a run's figures, what its store holds, and what went wrong.

    Args:
        done: the verb.
        store: the whole store.
        rows: figures of the run: name, value.
        listed: what went wrong: kind, input, reason.
        notes: lines for below the table.
        left_out: what lay in the folders and was not read.
    """
    from rich.table import Table

    terminal = console()
    table = Table("", "", title=f"{done} into {store.path}", show_header=False, title_justify="left")
    for name, value in rows:
        table.add_row(name, value)
    counts = f"{store.rows:,} rows, {store.tracks:,} tracks, {store.videos:,} videos, {store.identities:,} identities"
    table.add_row("store", counts)
    for name, split in store.splits.items():
        table.add_row(name, f"{split['rows']:,} rows, {split['tracks']:,} tracks, {split['identities']:,} identities")
    terminal.print(table)
    for kind, source, reason in listed[:LISTED]:
        terminal.print(f"{kind}: {source}" + (f": {reason}" if reason else ""), highlight=False)
    if len(listed) > LISTED:
        terminal.print(f"... and {len(listed) - LISTED:,} more: --json lists all")
    for line in left_out_lines(left_out):
        terminal.print(line, highlight=False)
    for note in notes:
        terminal.print(f"note: {note}", highlight=False)
