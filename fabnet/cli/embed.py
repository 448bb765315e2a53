"""`fabnet embed`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.cli.flags import Flags
from fabnet.files.folder import left_out_lines
from fabnet.reading.embed import EmbedResult, embed
from fabnet.reading.options import EmbedOptions
from fabnet.runtime.terminal import console

__all__ = ["run", "show"]


def run(inputs: tyro.conf.Positional[tuple[Path, ...]], out: Path, options: Flags[EmbedOptions]) -> EmbedResult:
    """Turn photos, videos, folders or a store of face-tracks into embeddings: one row per face and frame.

    A frame without a face keeps a row, with an empty embedding and the reason. A file that cannot be read is
    listed at the end and does not stop the rest; the exit code is 0 if anything was embedded. All else that lies in a
    folder is counted by reason.

    Examples:
      fabnet embed photo.jpg --out faces.csv
      fabnet embed photo.jpg --attributes --out attributes.csv
      fabnet embed talk.mp4 --attributes --overlay overlay.mp4 --out talk.parquet
      fabnet embed album/ --faces all --out faces.parquet
      fabnet embed talk.mp4 --fps 5 --out talk.lance
      fabnet embed tracks.lance --model run --out tracks-embedded.lance
      fabnet embed talk.mp4 --model run --probe pose.safetensors --out pose.csv
      fabnet embed tracks.lance --model run --split test --sample 10000 --out test.lance
      fabnet embed /shared/tracks.lance --model /shared/run --out faces.lance --engine ray --ray-address head:6379

    Args:
        inputs: Photos, videos, folders of them (hidden files are left out), or a store; no two with the same name.
        out: The output, a Lance dataset or a file; with npy, the other columns go to a .csv file of the same name.
        options: How.
    """
    return embed(inputs, out, options)


def show(result: EmbedResult) -> None:
    """Print what was embedded for people."""
    from rich.table import Table

    table = Table("", "", title=f"embedded into {result.out}", show_header=False, title_justify="left")
    table.add_row("model", f"{result.model} ({result.backend}, {result.precision})")
    table.add_row("rows", f"{result.rows:,}")
    table.add_row("with an embedding", f"{result.embedded:,}")
    table.add_row("without a face", f"{result.without_face:,}")
    table.add_row("faces a second", f"{result.faces_per_s:,.1f}")
    if result.overlay is not None:
        table.add_row("overlay", str(result.overlay))
    for source, reason in result.failed:
        table.add_row(f"failed: {source}", reason)
    terminal = console()
    terminal.print(table)
    for line in left_out_lines(result.left_out):
        terminal.print(line, highlight=False)
    for note in result.notes:
        terminal.print(f"note: {note}", highlight=False)
