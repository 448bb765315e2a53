"""The training loop: step, log, validate, save."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import nn

from fabnet.errors import InputError, ModelError, TrainingError
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window
from fabnet.models.find_model import latest_checkpoint
from fabnet.models.model_folder import ModelCard
from fabnet.objectives.batch import Batch
from fabnet.runtime.interrupts import stop_requests
from fabnet.sampling.loader import TrainingSteps, next_frames, step_loader, worker_deaths
from fabnet.sampling.on_device import on_device
from fabnet.sampling.pairs import Draw, Jitter, draw_fixed
from fabnet.store.track_store import TrackStore
from fabnet.training.checkpoint import LoopState, load_checkpoint, save_checkpoint
from fabnet.training.config import TrainConfig
from fabnet.training.device import autocast
from fabnet.training.initial import (
    architecture_of,
    build_optimizer,
    fresh_objective,
    frozen_parts,
    load_initial,
    still_statistics,
)
from fabnet.training.kept_images import kept_images
from fabnet.training.metric_logs import MetricLog
from fabnet.training.near_pairs import near_pairs
from fabnet.training.processes import Processes, gather, shared, wait_for_all
from fabnet.training.reporter import Reporter
from fabnet.training.schedule import Schedule, steps_a_round
from fabnet.training.setup import compile_errors, compiled, setup_of
from fabnet.training.step_results import NotFinite, StepResult, StepResults, losses_not_finite
from fabnet.training.stopping import InterruptedRunError, Pace
from fabnet.training.validate import Validation, noise_of_change, share, validate

__all__ = ["Trainer"]

LOG_EVERY = 50


class Trainer:
    """Trains one run, in one or several processes.

    Args:
        store: the track store.
        run: the run folder, which exists.
        config: the run's configuration.
        device: the device to train on.
        resume: continue from the run's latest checkpoint.
        me: this process among those of the run.
        logs: where the metrics go beside the run folder, from `check_logs`.

    Raises:
        TrainingError: the store has no track to train or to validate on, or the processes resume different checkpoints.
        ModelError: the checkpoint for `resume` or `config.init` is missing or corrupt.
        InputError: the processes cannot share the batch evenly.
    """

    def __init__(
        self,
        store: TrackStore,
        run: Path,
        config: TrainConfig,
        *,
        device: torch.device,
        resume: bool = False,
        me: Processes | None = None,
        logs: Sequence[str | MetricLog] = (),
    ) -> None:
        self.logs = logs
        self.store, self.run, self.config, self.device, self.me = store, run, config, device, me or Processes()
        if config.batch_size % self.me.world_size:
            raise InputError(f"{self.me.world_size} processes cannot share batch_size {config.batch_size} evenly")
        self.setup = setup_of(config, device, self.me)
        crop = CropSpec.from_json(store.crop)
        centre_y = crop.window_centre_y if config.window_centre_y is None else config.window_centre_y
        self.window = Window(config.window_centre_x, centre_y, config.window_side)
        self.num_sources = config.sources
        self.objective: nn.Module = fresh_objective(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.init is not None and not resume:
            load_initial(config.init, self.objective, kept=config.freeze or ())
        self.frozen = frozen_parts(self.objective, config.freeze or ())
        self.card = ModelCard(
            objective=config.objective,
            architecture=architecture_of(config),
            window=self.window,
            crop=store.crop or None,
        )
        self.optimizer = build_optimizer(self.objective, config)
        self.schedule = Schedule(config)
        self.state = LoopState(total_steps=config.max_steps)
        if resume:
            self._go_on()
        self.pace, self.results = Pace(), StepResults(device)
        val = self._tracks("val")
        self.num_val_tracks = len(val[0])
        self.steps = self._make_steps(draw_fixed(*val, num_samples=config.num_val_pairs, num_sources=self.num_sources))
        if self.me.world_size > 1 and config.curriculum_forward == "twice":
            raise InputError("several processes need curriculum_forward once: they get unequal numbers of samples")
        if self.setup.is_compiled:
            compiled(self.objective)
        self.network = shared(self.objective, device) if self.me.world_size > 1 else self.objective
        self._to_train_mode()

    def _go_on(self) -> None:
        checkpoint = latest_checkpoint(self.run)
        self.state = load_checkpoint(checkpoint, self.objective, self.optimizer, self.device)
        try:
            self.schedule.load_state_dicts(self.state.plateau, self.state.curriculum)
        except ValueError as error:
            raise ModelError(f"{checkpoint} is corrupt ({error}); delete it to use the previous one") from None
        if self.config.max_steps is not None:
            self.state.total_steps = self.config.max_steps
        elif self.config.max_minutes != self.state.max_minutes:  # the budget has changed
            self.state.total_steps = None
        steps = gather(torch.tensor([self.state.step]))
        if (first := steps.min()) != (last := steps.max()):
            raise TrainingError(
                f"the processes found different checkpoints, of step {first} and of step {last}: wait until all "
                "machines see the same files, then run the same command again"
            )

    def leave(self) -> None:
        """Wait for all processes, then drop DDP before exit, or its threads survive.

        By then the first process has written the files that the others read.
        """
        wait_for_all()
        self.network = self.objective

    def _to_train_mode(self) -> None:
        self.network.train()
        for module in self.frozen:
            module.eval()

    def _tracks(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        starts, lengths = self.store.spans(split, min_frames=self.num_sources + 1)
        if len(starts) == 0:
            raise TrainingError(
                f"{self.store.path} has no {split} track of at least {self.num_sources + 1} frames; add videos of more "
                "people, or make the store with --splits moments to validate on other moments of the same people"
            )
        return starts, lengths

    def _make_steps(self, val: Draw) -> TrainingSteps:
        config = self.config
        starts, lengths = self._tracks("train")
        self.round_steps = steps_a_round(config, len(starts))
        return TrainingSteps(
            self.store, starts, lengths,
            size=config.input_size, window=self.window, batch_size=config.batch_size, num_sources=self.num_sources,
            jitter=Jitter(
                (config.jitter_scale_min, config.jitter_scale_max), config.jitter_shift, config.flip, config.recolour,
                config.occlude,
            ),
            seed=config.seed, near=near_pairs(self.store, config, starts, lengths),
            val=share(val, rank=self.me.rank, world_size=self.me.world_size),
            rank=self.me.rank, world_size=self.me.world_size,
            people=self.store.people("train", config.sources + 1) if config.draw == "person" else None,
            frames=lengths.cumsum() if config.draw == "frame" else None,
        )  # fmt: skip

    @property
    def is_done(self) -> bool:
        """Whether the last step has been taken."""
        total = self.state.total_steps
        return (total is not None and self.state.step >= total) or self.schedule.is_done

    def train(self) -> LoopState:
        """Train to the end of the run.

        Returns:
            The final state of the loop.

        Raises:
            TrainingError: a loss or gradient is not finite, or a worker process died; the run's checkpoints are
                unchanged.
            InterruptedRunError: the run was asked to stop; a checkpoint was written first.
            OutputError: the disk is full.
        """
        state = self.state
        with (
            stop_requests() as stop,  # first, because removing the images takes time
            self.decoded_once(),
            worker_deaths(),
            compile_errors(),
            self._reporter() as reporter,
            step_loader(
                self.steps,
                first_step=state.step,
                num_workers=self.setup.num_workers,
                val_every=self.round_steps,
                pin_memory=self.device.type == "cuda",
            ) as loaded,
        ):
            frames = on_device(loaded, self.device)
            while not self.is_done:
                began = time.monotonic()
                self.step(next_frames(frames))
                is_round, is_row = state.step % self.round_steps == 0, state.step % LOG_EVERY == 0
                if is_round or is_row or self.is_done:
                    self.settle()
                took = time.monotonic() - began
                state.elapsed_s += took
                self.pace.tick(took)
                is_stopped = self._agree(stop.is_set())
                validation = self.validate(frames if is_round else None) if is_round or self.is_done else None
                if validation is not None or is_row:
                    reporter.row(validation)
                    # A resumed run drops the row of an end between two rows, so it needs these losses again.
                    if is_round or is_row:
                        state.losses, state.near = [], []
                if validation is not None:
                    self.save(reporter)
                reporter.show()
                if is_stopped and not self.is_done:
                    self.save(reporter)
                    wait_for_all()  # torchrun kills the first process half a minute after another one has ended
                    raise InterruptedRunError(
                        f"stopped at step {state.step}; the same command with --resume continues from there"
                    )
        return state

    @contextmanager
    def decoded_once(self) -> Iterator[None]:
        """Keep the decoded images of the run in a file on each machine, if they fit."""
        with kept_images(self.store, self.run, self.config, self.window, self.me) as self.steps.kept:
            yield
        self.steps.kept = None

    def step(self, frames: torch.Tensor) -> None:
        """Take one step; `state.losses` gets its loss, the mean over the selected samples of all processes.

        On CUDA the step is only queued, and its loss is read a few steps later; `settle` reads all.

        Args:
            frames: (B, S + 1, H, W, 3) uint8, this process's share of the batch.

        Raises:
            TrainingError: a loss or gradient of this step, or of an earlier one that is read now, is not finite. That
                step left the weights untouched.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate(self.state.step, self.state.total_steps)
        batch, forwarded = self._forwarded(frames)
        losses = self._losses(batch)
        everyone = gather(losses)
        if self.device.type == "cpu" and not everyone.isfinite().all():
            # The CPU's sampler has a gradient that reads outside the image's memory if a position is not finite.
            self._stop(self.state.step, losses_not_finite(everyone, forwarded))
        chosen = self._chosen(everyone)
        # A mask has a size that the host knows; an index by it would wait for the device.
        is_chosen = torch.zeros_like(everyone, dtype=torch.bool).index_fill_(0, chosen, True)
        mine = is_chosen[self.me.rank * len(losses) :][: len(losses)]
        # DDP averages over processes; rescale to a mean over the selected samples of all processes.
        loss = (losses * mine).sum() * (self.me.world_size / len(chosen))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.get_total_norm([each.grad for each in self.objective.parameters() if each.grad is not None])
        result = StepResult(self.state.step, everyone, forwarded, chosen, norm)
        self.optimizer.found_inf = result.is_bad  # type: ignore[attr-defined]  # if 1, fused optimisers change nothing
        self.optimizer.step()
        self.results.add(result)
        self.settle(is_all=False)
        if self.config.pair_gap is not None:
            self.state.near.append(float(self.steps.draw(self.state.step, whole=True).near.mean()))
        self.state.step += 1
        self.state.pairs_seen += self.config.pairs_a_step

    def settle(self, *, is_all: bool = True) -> None:
        """Wait for the steps that were queued, and read their losses into `state.losses`.

        Args:
            is_all: whether to read all steps, or to leave the last ones on CUDA to a later call.

        Raises:
            TrainingError: a loss or gradient is not finite.
        """
        for result in self.results.due(is_all=is_all):
            read = result.read()
            if isinstance(read, NotFinite):
                self._stop(result.step, read)
            self.state.losses.append(read)

    def _forwarded(self, frames: torch.Tensor) -> tuple[Batch, torch.Tensor]:
        """The samples that are forwarded with gradients, and their indices in the global batch."""
        batch = Batch.from_frames(frames, self.device, self.steps.views(self.state.step))
        indices = torch.arange(len(frames) * self.me.world_size, device=self.device)
        if self.config.curriculum_forward == "twice":
            with torch.no_grad(), still_statistics(self.objective):
                indices = self.schedule.select(self._losses(batch))
            batch = batch.at(indices)
        return batch, indices

    def _chosen(self, losses: torch.Tensor) -> torch.Tensor:
        """Indices of the samples to learn from, in (B,) losses of all processes."""
        if self.config.curriculum_forward == "twice":  # selected before they were forwarded
            return torch.arange(len(losses), device=self.device)
        return self.schedule.select(losses)

    def _losses(self, batch: Batch) -> torch.Tensor:
        with autocast(self.device, self.setup.dtype):
            losses: torch.Tensor = self.network(batch)
        return losses

    def _stop(self, step: int, found: NotFinite) -> NoReturn:
        """End the run because of a step, and name the first samples concerned."""
        rows = self.steps.draw(step, whole=True).rows[found.samples[:3].cpu().numpy()]
        table = self.store.read_rows(rows[:, 0], ("video", "track", "frame")).to_pylist()
        names = "; ".join(f"{row['video']} track {row['track']} frame {row['frame']}" for row in table)
        raise TrainingError(
            f"{found.what} at step {step} (targets: {names}); the last checkpoint is good: start a new run from "
            "it with --init and a lower --learning-rate"
        )

    def _agree(self, is_stopped: bool) -> bool:
        """Whether any process was asked to stop; also shares the number of steps that the first one's budget gives."""
        minutes, state = self.config.max_minutes, self.state
        plan = None
        if minutes is not None and state.total_steps is None:
            plan = self.pace.plan(minutes, step=state.step, elapsed_s=state.elapsed_s)
        said = gather(torch.tensor([[float(is_stopped), plan or 0]], dtype=torch.float64))  # waits for no device
        if state.total_steps is None and said[0, 1]:
            state.total_steps, state.max_minutes = int(said[0, 1]), minutes
        return bool(said[:, 0].any())

    def _reporter(self) -> Reporter:
        between = not self.is_done and self.state.step % self.round_steps != 0
        return Reporter(
            self.run, self.state, self.schedule, self.pace, pairs_a_step=self.config.pairs_a_step,
            is_silent=not self.me.is_first, is_between_rounds=between,
            drops_row=between and self.state.step % LOG_EVERY != 0, logs=self.logs, config=self.config.to_json(),
        )  # fmt: skip

    def validate(self, frames: Iterator[torch.Tensor] | None = None) -> Validation:
        """Measure the loss on the fixed validation samples.

        Args:
            frames: in a round, the iterator of `step_loader`, which has the validation samples next. None: at the end
                of a run between two rounds. The curriculum and the schedule must not take that into account, so that a
                run resumed from there equals one that never stopped.
        """
        self.settle()
        began = time.monotonic()
        parts = self.steps.val_parts
        validation = validate(
            self.objective,
            (self.steps[part] if frames is None else next_frames(frames) for part in parts),
            num_samples=self.config.num_val_pairs, num_tracks=self.num_val_tracks,
            device=self.device, dtype=self.setup.dtype,
        )  # fmt: skip
        self._to_train_mode()
        state = self.state
        validation = validation._replace(noise=noise_of_change(state.val_groups, validation.groups))
        state.val_loss, state.val_loss_unwarped = validation.loss, validation.loss_unwarped
        state.elapsed_s += time.monotonic() - began
        if frames is None:
            return validation
        state.val_groups = validation.groups
        state.best_val_loss = min(validation.loss, state.best_val_loss or math.inf)
        self.schedule.update(validation.loss, state.step)
        return validation

    def save(self, reporter: Reporter | None = None) -> None:
        """Upload or sync the log, then write a checkpoint; only the first process does."""
        self.settle()  # a step that is not finite ends the run before anything is written
        if not self.me.is_first:
            return
        if reporter is not None:
            reporter.send()
        state = self.state
        state.plateau, state.curriculum = self.schedule.state_dicts()
        self.card.training.update(
            steps=state.step, pairs_seen=state.pairs_seen, batch_size=self.config.batch_size, seed=self.config.seed,
            val_loss=state.val_loss, val_loss_unwarped=state.val_loss_unwarped,
        )  # fmt: skip
        save_checkpoint(
            self.run, self.objective, self.optimizer, state, self.card,
            keep=self.config.keep_checkpoints, validate_every=self.round_steps,
        )  # fmt: skip
