"""The learning rate and the curriculum over the steps of a run."""

from __future__ import annotations

import math
from typing import Any

import torch

from fabnet.files.fields import check_fields
from fabnet.training.config import TrainConfig
from fabnet.training.curriculum import LossPercentileCurriculum

__all__ = ["Plateau", "Schedule", "cosine_factor", "steps_a_round", "warmup_factor"]


def steps_a_round(config: TrainConfig, num_tracks: int) -> int:
    """Steps between two validation rounds: `round_passes` passes over the training tracks, at least `validate_every`.

    Args:
        config: the run's configuration.
        num_tracks: number of training tracks.
    """
    return max(config.validate_every, math.ceil(config.round_passes * num_tracks / config.batch_size))


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Rise linearly from near zero to 1 over the first `warmup_steps` steps (counted from 0)."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


def cosine_factor(step: int, total_steps: int | None) -> float:
    """Fall from 1 at step 0 to 0 at `total_steps`; 1 while the number of steps is not known yet."""
    if total_steps is None:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(step / max(total_steps, 1), 1.0)))


class Plateau:
    """Divides the learning rate by ten when validation stops improving, and ends the run when drops no longer help.

    Args:
        patience: validation rounds without a new best loss that are tolerated; the next such round causes a drop.
        drops: upper bound on the drops; when one more is due, `is_done` becomes true.
        min_gain: smallest improvement that makes a new best loss, as a share of the old one.

    Source: paper, section 5, Training.
    """

    def __init__(self, patience: int, drops: int, min_gain: float = 0.0) -> None:
        self.patience, self.drops, self.min_gain = patience, drops, min_gain
        self.best, self.bad_rounds, self.dropped, self.is_done = math.inf, 0, 0, False

    @property
    def factor(self) -> float:
        """Factor on the peak learning rate: 1, 0.1, 0.01, ..."""
        return 10.0**-self.dropped

    def update(self, val_loss: float) -> None:
        """Record a validation round."""
        if val_loss < self.best * (1 - self.min_gain):
            self.best, self.bad_rounds = val_loss, 0
            return
        self.bad_rounds += 1
        if self.bad_rounds > self.patience:
            self.is_done = self.dropped >= self.drops
            self.dropped = min(self.dropped + 1, self.drops)
            self.bad_rounds = 0

    def state_dict(self) -> dict[str, Any]:
        """State for resuming, as plain numbers."""
        best = self.best if math.isfinite(self.best) else None
        return {"best": best, "bad_rounds": self.bad_rounds, "dropped": self.dropped, "is_done": self.is_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state.

        Raises:
            ValueError: the state is invalid.
        """
        check_fields(state, {"best": float | None, "bad_rounds": int, "dropped": int, "is_done": bool})
        self.best = math.inf if state["best"] is None else state["best"]
        self.bad_rounds, self.dropped, self.is_done = state["bad_rounds"], state["dropped"], state["is_done"]


class Schedule:
    """The learning rate and the curriculum of a run.

    With a curriculum, validation first moves its window; the rate drops only once the window is at its last position.

    Args:
        config: the run's configuration.

    Attributes:
        plateau: drops of the rate; unused with the schedule "cosine".
        curriculum: the window of losses; None without a curriculum.

    Source: paper, section 5, Training; section 4.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self.plateau = Plateau(config.plateau_patience, config.plateau_drops, config.min_gain)
        self.curriculum = None
        if config.curriculum:
            start = config.curriculum_start or 0
            self.curriculum = LossPercentileCurriculum(config.curriculum_patience, config.min_gain, start)

    def learning_rate(self, step: int, total_steps: int | None) -> float:
        """Learning rate of a step.

        Args:
            step: index of the step, from 0.
            total_steps: number of steps of the run; None: not known yet.
        """
        factor = warmup_factor(step, self._config.warmup_steps)
        if self._config.schedule == "cosine":
            factor *= cosine_factor(step, total_steps)
        else:
            factor *= self.plateau.factor
        return self._config.learning_rate * factor

    def select(self, losses: torch.Tensor) -> torch.Tensor:
        """Select the samples to learn from: (B,) losses of the global batch to (K,) int64 indices, ascending."""
        if self.curriculum is None:
            return torch.arange(len(losses), device=losses.device)
        return self.curriculum.select(losses)

    def update(self, val_loss: float, step: int) -> None:
        """Record a validation round."""
        if self.curriculum is not None and not self.curriculum.is_last:
            self.curriculum.update(val_loss, step)
        elif self._config.schedule == "plateau":
            self.plateau.update(val_loss)

    @property
    def is_done(self) -> bool:
        """Whether further drops of the rate would not help."""
        return self.plateau.is_done

    @property
    def window(self) -> tuple[float, float] | None:
        """Lower and upper percentile of the losses that are learned from, as fractions; None without a curriculum."""
        return None if self.curriculum is None else self.curriculum.window

    def state_dicts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """States of the plateau and of the curriculum for resuming, as plain numbers."""
        return self.plateau.state_dict(), {} if self.curriculum is None else self.curriculum.state_dict()

    def load_state_dicts(self, plateau: dict[str, Any], curriculum: dict[str, Any]) -> None:
        """Restore saved states.

        Raises:
            ValueError: a state is invalid.
        """
        self.plateau.load_state_dict(plateau)
        if self.curriculum is not None:
            self.curriculum.load_state_dict(curriculum)
