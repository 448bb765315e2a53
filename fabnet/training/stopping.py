"""Ends a run early: requests to stop, and a time budget that becomes a number of steps."""

from __future__ import annotations

from dataclasses import dataclass

from fabnet.errors import TrainingError

__all__ = ["InterruptedRunError", "Pace"]

FIRST_STEPS_LEFT_OUT = 5


class InterruptedRunError(TrainingError):
    """A run was asked to stop; it saved a checkpoint and can continue with `--resume`."""

    exit_code = 130


@dataclass
class Pace:
    """Seconds and steps of steady training, without the first five steps after a start."""

    steps: int = 0
    """Number of steps counted."""
    seconds: float = 0.0
    """Time that the counted steps took."""
    seen: int = 0
    """Number of steps since the start, including the first five."""

    def tick(self, seconds: float) -> None:
        """Count a step."""
        self.seen += 1
        if self.seen > FIRST_STEPS_LEFT_OUT:
            self.steps += 1
            self.seconds += seconds

    @property
    def steps_per_s(self) -> float:
        """Steady speed; 0 before the first counted step."""
        return self.steps / self.seconds if self.seconds else 0.0

    def plan(self, minutes: float, *, step: int, elapsed_s: float) -> int | None:
        """Turn a time budget into a number of steps, after a steady minute or a fifth of a shorter budget.

        The first steps do not count: on CUDA they may compile for a minute, and the next ones are queued at once.

        Args:
            minutes: the budget.
            step: steps taken.
            elapsed_s: seconds of training so far, over all starts.

        Returns:
            Total number of steps; None if it is too early to estimate it.
        """
        is_early = self.seconds < min(60.0, 12.0 * minutes) and elapsed_s < 60.0 * minutes
        if self.steps == 0 or is_early:
            return None
        # A tenth is reserved for validation and checkpoints, more than they have needed.
        left_s = max(0.0, 60.0 * minutes - elapsed_s)
        return step + max(1, int(0.9 * left_s * self.steps_per_s))
