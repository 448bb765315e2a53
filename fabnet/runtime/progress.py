"""Progress on stderr: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from fabnet.runtime.terminal import console, say

__all__ = ["Progress", "progress"]

LINES_EVERY_S = 30.0


class Progress(Protocol):
    """A running progress display."""

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more units as done."""

    def update(self, *, completed: float | None = None, total: float | None = None, note: str | None = None) -> None:
        """Set units done, total units, or a short note shown at the end of the line."""


class _Bar:
    def __init__(self, display: object, task: object) -> None:
        self._display, self._task = display, task

    def advance(self, amount: float = 1.0) -> None:
        self._display.advance(self._task, amount)  # type: ignore[attr-defined]

    def update(self, *, completed: float | None = None, total: float | None = None, note: str | None = None) -> None:
        values = {"completed": completed, "total": total, "note": note}
        known = {key: value for key, value in values.items() if value is not None}
        self._display.update(self._task, **known)  # type: ignore[attr-defined]


class _Lines:
    def __init__(self, description: str, total: float | None, unit: str, done: int) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._completed, self._note, self._done_before = float(done), "", done
        self._start = self._last = time.monotonic()

    def advance(self, amount: float = 1.0) -> None:
        self.update(completed=self._completed + amount)

    def update(self, *, completed: float | None = None, total: float | None = None, note: str | None = None) -> None:
        self._completed = self._completed if completed is None else completed
        self._total = self._total if total is None else total
        self._note = self._note if note is None else note
        now = time.monotonic()
        if now - self._last >= LINES_EVERY_S:
            self._last = now
            self.write(now)

    def write(self, now: float) -> None:
        rate = (self._completed - self._done_before) / max(now - self._start, 1e-9)
        of_total, left = "", ""
        if self._total:
            of_total = f"/{self._total:,.0f}"
            left = f", {_clock((self._total - self._completed) / rate)} left" if rate > 0 else ""
        line = f"{self._description}: {self._completed:,.0f}{of_total} {self._unit}, {rate:,.1f} {self._unit}/s{left}"
        say(f"{line}  {self._note}".rstrip(), to_stderr=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


@contextmanager
def progress(description: str, *, total: float | None = None, unit: str = "it", done: int = 0) -> Iterator[Progress]:
    """Show progress on stderr while the block runs.

    Args:
        description: the activity, e.g. "tracking".
        total: total units; None if unknown (set it later with `update`).
        unit: name of the units, e.g. "videos", "steps".
        done: units done by the run that this one continues; not counted in the rate.

    Yields:
        A `Progress` to advance. A terminal shows one bar with rate and time left; a log gets a line every 30 seconds.
    """
    is_terminal = getattr(sys.stderr, "isatty", None)  # None where a program has no streams, as under pythonw
    if is_terminal is None or not is_terminal():
        yield _Lines(description, total, unit, done)
        return
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Units done, total units, units per second."""

        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed or 0.0
            of_total = f"/{task.total:,.0f}" if task.total else ""
            return Text(f"{task.completed:,.0f}{of_total} {unit}  {rate:,.1f} {unit}/s")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with RichProgress(*columns, console=console(to_stderr=True), transient=False) as display:
        yield _Bar(display, display.add_task(description, total=total, completed=done, note=""))
