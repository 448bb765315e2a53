"""The loop: step, log, validate, save."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from fabnet.errors import FabnetError, TrainingError
from fabnet.models.model_folder import ModelCard
from fabnet.objectives import Batch, build_objective
from fabnet.progress import Progress, progress
from fabnet.sampling.loader import TrainingSteps, step_loader
from fabnet.sampling.pairs import Jitter, draw_fixed
from fabnet.sampling.window import Window
from fabnet.tracks import TrackStore
from fabnet.training.checkpoint import LoopState, latest_checkpoint, load_checkpoint, save_checkpoint
from fabnet.training.config import TrainConfig
from fabnet.training.device import autocast, choose_precision
from fabnet.training.run_log import RunLog
from fabnet.training.schedule import Plateau, cosine_factor, warmup_factor
from fabnet.training.validate import Validation, validate

__all__ = ["InterruptedRunError", "Trainer"]

LOG_EVERY = 50
FIRST_STEPS_LEFT_OUT = 5


class InterruptedRunError(TrainingError):
    """A run was asked to stop; it saved a checkpoint and can go on with `--resume`."""

    exit_code = 130


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """Catch Ctrl-C and SIGTERM while the block runs: the event tells that the run is to end after its step."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Clock:
    """Seconds and steps of steady training, the first five steps after a start left out."""

    steps: int = 0
    seconds: float = 0.0

    def tick(self, seconds: float, steps_done: int) -> None:
        if steps_done > FIRST_STEPS_LEFT_OUT:
            self.steps += 1
            self.seconds += seconds

    @property
    def steps_per_s(self) -> float:
        return self.steps / self.seconds if self.seconds else 0.0


class Trainer:
    """Trains one run on one device.

    Args:
        store: the track store.
        run: the run folder, which exists.
        config: every choice.
        device: where.
        resume: go on from the run's latest checkpoint.

    Raises:
        TrainingError: the store has no track to train or to validate on.
        ModelError: `resume`, and the latest checkpoint is missing or damaged.
    """

    def __init__(
        self, store: TrackStore, run: Path, config: TrainConfig, *, device: torch.device, resume: bool = False
    ) -> None:
        self.store, self.run, self.config, self.device = store, run, config, device
        self.dtype = choose_precision(config.precision, device)
        self.window = Window(config.window_centre_x, config.window_centre_y, config.window_side)
        architecture = {"size": config.size, "width": config.width, "embedding_dim": config.embedding_dim}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.objective: nn.Module = build_objective(
                config.objective, **architecture, near_zero_start=config.near_zero_start
            ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.num_sources: int = self.objective.num_sources
        self.card = ModelCard(
            objective=config.objective, architecture=architecture, window=self.window, crop=store.crop or None
        )
        self.optimizer = self._make_optimizer()
        self.plateau = Plateau(config.plateau_patience, config.plateau_drops)
        self.state = LoopState(total_steps=config.max_steps)
        if resume:
            self.state = load_checkpoint(latest_checkpoint(run), self.objective, self.optimizer, device)
            self.plateau.load_state_dict(self.state.plateau)
            self.state.total_steps = config.max_steps or self.state.total_steps
        self.clock = _Clock()
        self.steps = self._make_steps()
        val = self._tracks("val")
        self.val_pairs = draw_fixed(*val, num_samples=config.num_val_pairs, num_sources=self.num_sources)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        parameters = self.objective.parameters()
        if self.config.optimizer == "sgd":
            return torch.optim.SGD(parameters, self.config.learning_rate, momentum=0.9, fused=True)
        return torch.optim.Adam(parameters, self.config.learning_rate, fused=True)

    def _tracks(self, split: str) -> tuple[Any, Any]:
        index = self.store.index(split=split, min_frames=self.num_sources + 1)
        if len(index.starts) == 0:
            raise TrainingError(
                f"{self.store.path} has no {split} track of {self.num_sources + 1} frames or more; add videos of more "
                "people, or make the store with --splits moments to validate on other moments of the same people"
            )
        return index.starts, index.lengths

    def _make_steps(self) -> TrainingSteps:
        config = self.config
        starts, lengths = self._tracks("train")
        return TrainingSteps(
            self.store, starts, lengths,
            size=config.size, window=self.window, batch_size=config.batch_size, num_sources=self.num_sources,
            jitter=Jitter((config.jitter_scale_min, config.jitter_scale_max), config.jitter_shift, config.flip),
            seed=config.seed,
        )  # fmt: skip

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        factor = warmup_factor(self.state.step, self.config.warmup_steps)
        if self.config.schedule == "cosine":
            factor *= cosine_factor(self.state.step, self.state.total_steps)
        else:
            factor *= self.plateau.factor
        return self.config.learning_rate * factor

    @property
    def is_done(self) -> bool:
        """Whether the last step has been taken."""
        total = self.state.total_steps
        return (total is not None and self.state.step >= total) or self.plateau.is_done

    def train(self) -> LoopState:
        """Run to the end.

        Returns:
            Where the run stands then.

        Raises:
            TrainingError: a loss is not finite; the run's checkpoints stay as they were.
            InterruptedRunError: Ctrl-C or SIGTERM; a checkpoint was written first.
            OutputError: the disk is full.
        """
        state, losses = self.state, []
        frames = step_loader(
            self.steps, first_step=state.step, num_workers=self.config.num_workers,
            pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        first_step = state.step
        with (
            _stop_requests() as stop,
            RunLog(self.run, first_step=first_step) as log,
            progress("training", total=state.total_steps, unit="steps") as bar,
        ):
            while not self.is_done:
                began = time.monotonic()
                losses.append(self.step(self._next(frames)))
                took = time.monotonic() - began
                state.elapsed_s += took
                self.clock.tick(took, state.step - first_step)
                self._plan_from_clock()
                if state.step % LOG_EVERY == 0 and state.step % self.config.validate_every:
                    log.write(state.step, **self._progress_values(losses))
                    losses = []
                if state.step % self.config.validate_every == 0 or self.is_done:
                    validation = self.validate()
                    log.write(state.step, **self._progress_values(losses or [math.nan]), **self._values(validation))
                    losses = []
                    self.save()
                self._show(bar)
                if stop.is_set() and not self.is_done:
                    self.save()
                    raise InterruptedRunError(
                        f"stopped at step {state.step}; the same command with --resume goes on from there"
                    )
        return state

    def _next(self, frames: Iterator[torch.Tensor]) -> torch.Tensor:
        try:
            return next(frames)
        except FabnetError as error:
            # A worker's error arrives with the worker's traceback in its text; its last line is the message.
            message = str(error).strip().splitlines()[-1].split(": ", 1)[-1]
            raise type(error)(message) from None

    def step(self, frames: torch.Tensor) -> float:
        """Take one step.

        Args:
            frames: (B, S + 1, H, W, 3) uint8.

        Returns:
            The mean loss.

        Raises:
            TrainingError: it is not finite; the weights are untouched.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        batch = Batch.from_frames(frames, self.device)
        with autocast(self.device, self.dtype):
            loss = self.objective(batch).mean()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} at step {self.state.step}; the last checkpoint is sound: resume from it with "
                "a lower --learning-rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.state.step += 1
        self.state.pairs_seen += self.config.batch_size * self.num_sources
        return value

    def validate(self) -> Validation:
        """Measure on the fixed validation pairs, and let the schedule know."""
        began = time.monotonic()
        validation = validate(
            self.objective, self.val_pairs, self.store,
            window=self.window, size=self.config.size, device=self.device, dtype=self.dtype,
        )  # fmt: skip
        state = self.state
        state.val_loss, state.val_loss_unwarped = validation
        state.best_val_loss = min(validation.loss, state.best_val_loss or math.inf)
        if self.config.schedule == "plateau":
            self.plateau.update(validation.loss)
        state.elapsed_s += time.monotonic() - began
        return validation

    def save(self) -> Path:
        """Write a checkpoint of this moment."""
        state = self.state
        state.plateau = self.plateau.state_dict()
        self.card.training.update(
            steps=state.step, pairs_seen=state.pairs_seen, batch_size=self.config.batch_size, seed=self.config.seed,
            val_loss=state.val_loss, val_loss_unwarped=state.val_loss_unwarped,
        )  # fmt: skip
        return save_checkpoint(
            self.run, self.objective, self.optimizer, state, self.card, keep=self.config.keep_checkpoints
        )

    def _plan_from_clock(self) -> None:
        """Turn a time budget into a number of steps, once."""
        minutes, state = self.config.max_minutes, self.state
        if minutes is None or state.total_steps is not None or self.clock.steps == 0:
            return
        if state.elapsed_s < min(60.0, 12.0 * minutes):
            return
        # Validation and checkpoints take their share; a tenth is more than either has needed.
        left_s = max(0.0, 60.0 * minutes - state.elapsed_s)
        state.total_steps = state.step + max(1, int(0.9 * left_s * self.clock.steps_per_s))

    def _progress_values(self, losses: list[float]) -> dict[str, float]:
        return {
            "pairs_seen": self.state.pairs_seen,
            "train_loss": sum(losses) / len(losses),
            "learning_rate": self.learning_rate,
            "pairs_per_s": self.clock.steps_per_s * self.config.batch_size,
            "elapsed_s": self.state.elapsed_s,
        }

    def _values(self, validation: Validation) -> dict[str, float]:
        return {"val_loss": validation.loss, "val_loss_unwarped": validation.loss_unwarped}

    def _show(self, bar: Progress) -> None:
        state = self.state
        val = "" if state.val_loss is None else f"val L1 {state.val_loss:.4f} (unwarped {state.val_loss_unwarped:.4f})"
        bar.update(completed=state.step, total=state.total_steps, note=val)
