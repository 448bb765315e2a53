"""The curriculum: selects the samples of a batch to learn from.

The samples of a batch are ranked by loss. Training starts with the easier half; each time validation stops improving,
the window moves up by a tenth, four times: [0, .5], [.1, .6] ... [.4, .9]. The hardest tenth is never used. Each
position has its own best loss, because the loss rises when the window moves to harder samples. Source: paper, section
4, and the authors' code.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from fabnet.files.fields import check_fields

__all__ = ["LossPercentileCurriculum"]

SHIFTS = 4


class LossPercentileCurriculum:
    """The position of the window, and when it moves.

    Args:
        patience: validation rounds without a new best loss that are tolerated; the next such round moves the window.
        min_gain: smallest improvement that makes a new best loss, as a share of the old one.
        start: position of the window at the start, 0 to 4.

    Attributes:
        shifts: position of the window, 0 to 4.
        best: lowest validation loss at this position of the window, infinite before the first.
        bad_rounds: validation rounds since the best loss, or since the window last moved.
        history: (step, shifts) of each move.
    """

    def __init__(self, patience: int, min_gain: float = 0.0, start: int = 0) -> None:
        self.patience, self.min_gain = patience, min_gain
        self.shifts, self.best, self.bad_rounds = start, math.inf, 0
        self.history: list[tuple[int, int]] = []

    @property
    def window(self) -> tuple[float, float]:
        """Lower and upper percentile of the losses that are learned from, as fractions."""
        return self.shifts / 10, (self.shifts + 5) / 10

    @property
    def is_last(self) -> bool:
        """Whether the window has reached its last position; only then may the learning rate drop."""
        return self.shifts == SHIFTS

    def select(self, losses: torch.Tensor) -> torch.Tensor:
        """Select the samples to learn from. Of equal losses, the earlier sample counts as easier.

        Args:
            losses: (B,) float, finite, of the global batch.

        Returns:
            (K,) int64 ascending indices in the batch, of ranks floor(lower * B) to floor(upper * B), excluding the
            latter; at least one.
        """
        count = len(losses)
        # Integers, because 0.6 * 5 must be exactly 3.
        first = self.shifts * count // 10
        last = max((self.shifts + 5) * count // 10, first + 1)
        return losses.argsort(stable=True)[first:last].sort().values

    def update(self, val_loss: float, step: int) -> bool:
        """Record a validation round.

        Args:
            val_loss: mean loss over all validation samples, including the hard ones.
            step: step at which it was measured.

        Returns:
            Whether the window moved.
        """
        if self.is_last:
            return False
        if val_loss < self.best * (1 - self.min_gain):
            self.best, self.bad_rounds = val_loss, 0
            return False
        self.bad_rounds += 1
        if self.bad_rounds <= self.patience:
            return False
        self.shifts, self.best, self.bad_rounds = self.shifts + 1, math.inf, 0
        self.history.append((step, self.shifts))
        return True

    def state_dict(self) -> dict[str, Any]:
        """State for resuming, as plain numbers."""
        best = self.best if math.isfinite(self.best) else None
        return {"shifts": self.shifts, "best": best, "bad_rounds": self.bad_rounds, "history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state.

        Raises:
            ValueError: the state is invalid.
        """
        check_fields(state, {"shifts": int, "best": float | None, "bad_rounds": int, "history": list[list[int]]})
        if state["shifts"] > SHIFTS:
            raise ValueError(f"shifts is {state['shifts']}")
        self.shifts, self.bad_rounds = state["shifts"], state["bad_rounds"]
        self.best = math.inf if state["best"] is None else state["best"]
        self.history = [(step, shifts) for step, shifts in state["history"]]
