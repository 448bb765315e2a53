"""The learning rate: a warm-up, then a cosine to zero or a tenth on each plateau."""

from __future__ import annotations

import math
from typing import Any

from fabnet.fields import check_fields

__all__ = ["Plateau", "cosine_factor", "warmup_factor"]


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Rise linearly from near zero to 1 over the first `warmup_steps` steps (counted from 0)."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


def cosine_factor(step: int, total_steps: int | None) -> float:
    """Fall from 1 at step 0 to 0 at `total_steps`; 1 while the number of steps is not known yet."""
    if total_steps is None:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(step / max(total_steps, 1), 1.0)))


class Plateau:
    """A factor that falls to a tenth when validation has stopped improving, and an end when that no longer helps.

    Args:
        patience: validation rounds without a new best loss before a drop.
        drops: how many drops there may be; where one more is due, `is_done` turns true.

    Source: paper, section 5, Training.
    """

    def __init__(self, patience: int, drops: int) -> None:
        self.patience, self.drops = patience, drops
        self.best, self.bad_rounds, self.dropped, self.is_done = math.inf, 0, 0, False

    @property
    def factor(self) -> float:
        """Of the peak learning rate: 1, 0.1, 0.01, ..."""
        return 10.0**-self.dropped

    def update(self, val_loss: float) -> None:
        """Take in a validation round."""
        if val_loss < self.best:
            self.best, self.bad_rounds = val_loss, 0
            return
        self.bad_rounds += 1
        if self.bad_rounds > self.patience:
            self.is_done = self.dropped >= self.drops
            self.dropped = min(self.dropped + 1, self.drops)
            self.bad_rounds = 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; plain numbers."""
        best = self.best if math.isfinite(self.best) else None
        return {"best": best, "bad_rounds": self.bad_rounds, "dropped": self.dropped, "is_done": self.is_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: it is none.
        """
        check_fields(state, {"best": float | None, "bad_rounds": int, "dropped": int, "is_done": bool})
        self.best = math.inf if state["best"] is None else state["best"]
        self.bad_rounds, self.dropped, self.is_done = state["bad_rounds"], state["dropped"], state["is_done"]
