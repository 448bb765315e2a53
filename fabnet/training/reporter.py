"""Reports the progress of a run: rows of its log and the progress bar, from the first process only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from fabnet.runtime.progress import Progress, progress
from fabnet.training.checkpoint import LoopState
from fabnet.training.metric_logs import MetricLog, opened
from fabnet.training.run_log import RunLog
from fabnet.training.schedule import Schedule
from fabnet.training.stopping import Pace
from fabnet.training.validate import Validation

__all__ = ["Reporter"]


class Reporter:
    """Reports the progress of a run; a context manager.

    Args:
        run: the run folder.
        state: state of the loop; its losses are those since the last row.
        schedule: the run's schedule.
        pace: the speed, from counted steps.
        pairs_a_step: pairs per step.
        is_silent: report nothing, as in all processes but the first.
        is_between_rounds: the run resumes from an end between two validation rounds; the validation losses of that end
            are dropped from the log, because an uninterrupted run would not have them.
        drops_row: drop the whole row of that end.
        logs: where the metrics go beside the run folder, from `check_logs`.
        config: the run's configuration, for these.
    """

    def __init__(
        self,
        run: Path,
        state: LoopState,
        schedule: Schedule,
        pace: Pace,
        *,
        pairs_a_step: int,
        is_silent: bool,
        is_between_rounds: bool,
        drops_row: bool,
        logs: Sequence[str | MetricLog],
        config: Mapping[str, Any],
    ) -> None:
        self._run, self._state, self._schedule, self._pace = run, state, schedule, pace
        self._pairs_a_step, self._is_silent = pairs_a_step, is_silent
        self._is_between_rounds, self._drops_row = is_between_rounds, drops_row
        self._logs, self._config = logs, config
        self._log: RunLog | None = None
        self._send: MetricLog | None = None
        self._bar: Progress | None = None
        self._open = ExitStack()

    def __enter__(self) -> Reporter:
        if self._is_silent:
            return self
        state = self._state
        with ExitStack() as stack:
            log = RunLog(self._run, first_step=state.step, drop_last=self._drops_row, drop_val=self._is_between_rounds)
            self._log = stack.enter_context(log)
            others = opened(self._logs, self._run, self._config, is_resumed=state.step > 0)
            self._send = stack.enter_context(others)
            bar = progress("training", total=state.total_steps, unit="steps", done=state.step)
            self._bar = stack.enter_context(bar)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def row(self, validation: Validation | None = None) -> None:
        """Write a row with the mean loss since the last row, and the validation losses if given."""
        if self._log is None or self._send is None:
            return
        state, window = self._state, self._schedule.window
        values = {
            "pairs_seen": state.pairs_seen,
            "train_loss": float(np.mean(state.losses)) if state.losses else math.nan,
            "learning_rate": self._schedule.learning_rate(state.step, state.total_steps),
            "pairs_per_s": self._pace.steps_per_s * self._pairs_a_step,
            "elapsed_s": state.elapsed_s,
        }
        if window is not None:
            values["curriculum_from"], values["curriculum_to"] = window
        if state.near:
            values["near_share"] = float(np.mean(state.near))
        if validation is not None:
            measured = {
                "val_loss": validation.loss, "val_loss_unwarped": validation.loss_unwarped,
                "val_loss_noise": validation.noise,
            }  # fmt: skip
            values |= {name: value for name, value in measured.items() if value is not None}
        self._log.write(state.step, **values)
        self._send(state.step, values)

    def show(self) -> None:
        """Update the progress bar."""
        if self._bar is None:
            return
        state, window, note = self._state, self._schedule.window, ""
        if state.val_loss is not None:
            note = f"val loss {state.val_loss:.4f}"
            if state.val_loss_unwarped is not None:
                note += f" (unwarped {state.val_loss_unwarped:.4f})"
        if window is not None:
            note += f"  losses {window[0]:.0%} to {window[1]:.0%}"
        self._bar.update(completed=state.step, total=state.total_steps, note=note.strip())

    def send(self) -> None:
        """Sync the log to disk, or upload it to a run in an object store."""
        if self._log is not None:
            self._log.send()
