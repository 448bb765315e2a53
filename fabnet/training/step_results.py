"""Results of training steps, which are read some steps later on CUDA, so that no step waits for the host."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch

__all__ = ["NotFinite", "StepResult", "StepResults", "losses_not_finite"]

MOST_WAITING = 4
"""Steps on CUDA whose results are not read yet: the host gets so far ahead of the device, and no further."""


class NotFinite(NamedTuple):
    """Why a run must end."""

    what: str
    """What is not finite, with its value."""
    samples: torch.Tensor
    """(K,) int64 indices of the samples concerned in the global batch."""


def losses_not_finite(losses: torch.Tensor, forwarded: torch.Tensor) -> NotFinite:
    """What is wrong with losses of which some are not finite; waits for the device.

    Args:
        losses: (N,) losses of the samples of all processes that were forwarded.
        forwarded: (N,) int64 indices of these samples in the global batch.
    """
    return NotFinite(f"the loss became {float(losses.sum())}", forwarded[~losses.isfinite()])


class StepResult:
    """The result of one step, whose numbers are being copied to the host.

    Args:
        step: index of the step, from 0.
        losses: (N,) losses of the samples of all processes that were forwarded, without gradient.
        forwarded: (N,) int64 indices of these samples in the global batch.
        chosen: (K,) int64 indices in `losses` of the samples that were learned from.
        norm: norm of the gradient, a scalar.

    Attributes:
        step: index of the step, from 0.
        is_bad: 1 if a loss or the norm is not finite, otherwise 0: a float32 scalar on the device.
    """

    def __init__(
        self, step: int, losses: torch.Tensor, forwarded: torch.Tensor, chosen: torch.Tensor, norm: torch.Tensor
    ) -> None:
        self.step = step
        self._losses, self._forwarded, self._chosen = losses, forwarded, chosen
        are_finite = losses.isfinite().all()
        self.is_bad = (~(are_finite & norm.isfinite())).float()
        numbers = torch.stack([losses[chosen].mean(), norm.float(), are_finite.float()])
        self._numbers = numbers.to("cpu", non_blocking=True)
        self._copied = torch.cuda.current_stream(losses.device).record_event() if losses.is_cuda else None

    def read(self) -> float | NotFinite:
        """Wait until the device has taken the step, and return its loss, or what is not finite."""
        if self._copied is not None:
            self._copied.synchronize()
        loss, norm, are_finite = self._numbers.tolist()
        if not are_finite:
            return losses_not_finite(self._losses, self._forwarded)
        if not math.isfinite(norm):
            return NotFinite(f"the gradient's norm became {norm}", self._forwarded[self._chosen])
        return float(loss)


class StepResults:
    """The results that are not read yet, in the order of the steps.

    Args:
        most_waiting: number of results that `due` leaves unread; by default 4 on CUDA and none on a CPU.
        device: the device of the steps.
    """

    def __init__(self, device: torch.device, *, most_waiting: int | None = None) -> None:
        if most_waiting is None:
            most_waiting = MOST_WAITING if device.type == "cuda" else 0
        self._most_waiting = most_waiting
        self._waiting: deque[StepResult] = deque()

    def add(self, result: StepResult) -> None:
        """Keep a result until it is read."""
        self._waiting.append(result)

    def due(self, *, is_all: bool = False) -> Iterator[StepResult]:
        """Take out the results that are to be read now: those of steps far enough back, or all."""
        while len(self._waiting) > (0 if is_all else self._most_waiting):
            yield self._waiting.popleft()
