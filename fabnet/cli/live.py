"""`fabnet live`."""

from __future__ import annotations

import tyro

from fabnet.cli.flags import Flags
from fabnet.runtime.terminal import console, say
from fabnet.watching.live import LiveResult, live
from fabnet.watching.options import LiveOptions

__all__ = ["run", "show"]


def run(source: tyro.conf.Positional[str], options: Flags[LiveOptions]) -> LiveResult:
    """Read the faces of a camera or a stream as they come, until Ctrl-C: in the terminal, on a page, to a file.

    It reads what fabnet read reads (docs/reading.md). A frame that comes while an earlier one is still being read is
    dropped and counted; the table shows the rate, and how late the readings are (docs/live.md). Nothing is opened on
    the network but a stream that you name.

    Examples:
      fabnet live 0
      fabnet live 0 --page
      fabnet live /dev/video2 --out session.csv
      fabnet live rtsp://camera.example/stream --seconds 60 --out minute.parquet
      fabnet live talk.mp4 --as-camera --page

    Args:
        source: The number of a camera, from 0; its name or device file; the address of a stream; or with --as-camera
            a video file.
        options: How.
    """
    return live(source, options)


def show(result: LiveResult) -> None:
    """Print what was read."""
    from rich.table import Table

    table = Table("", "", title=f"read {result.source}", show_header=False, title_justify="left")
    table.add_row("frames", f"{result.frames:,} read of {result.captured:,}, {result.dropped:,} dropped")
    table.add_row("time", f"{result.seconds:,.1f} s, {result.frames_per_s:.1f} frames/s")
    if result.delay_ms:
        table.add_row("delay", f"{result.delay_ms[0]:.0f} ms (median), {result.delay_ms[1]:.0f} ms (95 %)")
    table.add_row("rows, with a face", f"{result.rows:,}, {result.faces:,}")
    if result.out is not None:
        table.add_row("written to", str(result.out))
    console().print(table)
    if result.warning:
        say(f"note: {result.warning}", to_stderr=True)
