"""When a run ends: a wish to stop, and a time budget that becomes a number of steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from fabnet.errors import TrainingError
from fabnet.runtime.interrupts import stops

__all__ = ["Clock", "InterruptedRunError", "stop_requests"]

FIRST_STEPS_LEFT_OUT = 5


class InterruptedRunError(TrainingError):
    """A run was asked to stop; it saved a checkpoint and can go on with `--resume`."""

    exit_code = 130


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Catch requests to stop while the block runs: the event tells that the run is to end after its step."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, ask) for number in stops()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Clock:
    """Seconds and steps of steady training, the first five steps after a start left out.

    Attributes:
        steps: counted.
        seconds: they took.
        seen: steps since the start, the first five too.
    """

    steps: int = 0
    seconds: float = 0.0
    seen: int = 0

    def tick(self, seconds: float) -> None:
        """Count a step."""
        self.seen += 1
        if self.seen > FIRST_STEPS_LEFT_OUT:
            self.steps += 1
            self.seconds += seconds

    @property
    def steps_per_s(self) -> float:
        """Steady speed; 0 before anything was counted."""
        return self.steps / self.seconds if self.seconds else 0.0

    def plan(self, minutes: float, *, step: int, elapsed_s: float) -> int | None:
        """Turn a time budget into a number of steps, after its first minute or a fifth of a shorter one.

        Args:
            minutes: the budget.
            step: steps done.
            elapsed_s: seconds of training so far, over all starts.

        Returns:
            Steps in all; None while it is too early to tell.
        """
        if self.steps == 0 or elapsed_s < min(60.0, 12.0 * minutes):
            return None
        # Validation and checkpoints take their share; a tenth is more than either has needed.
        left_s = max(0.0, 60.0 * minutes - elapsed_s)
        return step + max(1, int(0.9 * left_s * self.steps_per_s))
