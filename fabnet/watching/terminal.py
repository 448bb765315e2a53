"""What is read, as a table in the terminal that is renewed in place; without a terminal, a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fabnet.faces.units import UNIT_COLUMNS
from fabnet.reading.table import PRESENT
from fabnet.runtime.terminal import console, say

if TYPE_CHECKING:
    from rich.table import Table

    from fabnet.watching.reader import Now

__all__ = ["facts", "showing"]

RENEWED_A_SECOND = 8
LINES_EVERY_S = 5.0
MOST_FACES = 12
TITLES = ("face", "yaw", "pitch", "roll", "smile", "expression", "units", "note")


@contextmanager
def showing() -> Iterator[Callable[[Now], None]]:
    """A function that shows the state of a reading on stderr, within a `with` block."""
    screen = console(to_stderr=True)
    last_s = 0.0
    if not screen.is_terminal:

        def tell(now: Now) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= LINES_EVERY_S:
                last_s = time.monotonic()
                say(f"live: {_line(now)}", to_stderr=True)

        yield tell
        return
    from rich.live import Live

    with Live(console=screen, auto_refresh=False, transient=True) as display:

        def draw(now: Now) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= 1 / RENEWED_A_SECOND:
                last_s = time.monotonic()
                display.update(_table(now), refresh=True)

        yield draw


def _line(now: Now) -> str:
    faces = len(now.frame.batch) - now.frame.batch.column("in_range").null_count
    return (
        f"{now.name}: {now.frames_per_s:.1f} frames/s, {now.delay_ms:.0f} ms late, {now.frames:,} read, "
        f"{now.dropped:,} dropped, {faces} face{'' if faces == 1 else 's'}"
    )


def _table(now: Now) -> Table:
    from rich.table import Table

    table = Table(*TITLES, title=f"{_line(now)}; Ctrl-C stops", title_justify="left")
    rows = now.frame.batch.to_pylist()
    for row in rows[:MOST_FACES]:
        if row["in_range"] is None:
            table.add_row("", *[""] * 6, row["reason"])
            continue
        said = facts(row)
        table.add_row(row["track"], said["yaw"], said["pitch"], said["roll"], said["smile"], said["expression"],
                      said["units"], row["out_of_range"])  # fmt: skip
    return table


def facts(row: dict[str, Any]) -> dict[str, str]:
    """What was read off a face, in a few words each: yaw, pitch, roll, smile, mouth, eyes, expression, units."""
    angles = {
        name: f"{row[f'pose_{name}_deg']:.0f} ± {row[f'pose_{name}_deg_pm']:.0f}°" for name in ("yaw", "pitch", "roll")
    }
    units = [name for name in row if name in UNIT_COLUMNS and row[name] >= PRESENT]
    expression = row["expression"]
    return angles | {
        "mouth": f"{row['mouth_opening']:.2f} ± {row['mouth_opening_pm']:.2f}",
        "eyes": f"{row['eyes_opening']:.2f} ± {row['eyes_opening_pm']:.2f}",
        "smile": f"{row['smile']:.0%}",
        "expression": f"{expression} {row[f'expression_{expression}']:.0%}",
        "units": " ".join(units),
    }
