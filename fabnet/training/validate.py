"""Validation: the model's L1 on fixed pairs of unseen people, beside the unwarped source's."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from fabnet.objectives import Batch, l1_per_sample
from fabnet.sampling.loader import ImageSource, frames_of
from fabnet.sampling.pairs import Draw
from fabnet.sampling.window import Window
from fabnet.training.device import autocast

__all__ = ["Validation", "validate"]


class Validation(NamedTuple):
    """Mean absolute differences in [0, 1] over the validation pairs.

    Attributes:
        loss: of the model's reconstructions.
        loss_unwarped: of the sources as they are: what a model that does nothing would have.
    """

    loss: float
    loss_unwarped: float


def validate(
    objective: nn.Module,
    drawn: Draw,
    images: ImageSource,
    *,
    window: Window,
    size: int,
    device: torch.device,
    dtype: torch.dtype,
    batch_size: int = 64,
) -> Validation:
    """Measure an objective on fixed pairs, in eval mode; it is left in train mode.

    Args:
        objective: gives per-sample losses.
        drawn: the pairs.
        images: the store that they lie in.
        window: the unmoved inner window.
        size: of the network's input in pixels.
        device: where the objective lies.
        dtype: that convolutions compute in.
        batch_size: pairs at once; the result does not hang on it beyond rounding.
    """
    objective.eval()
    loss = loss_unwarped = 0.0
    for first in range(0, len(drawn.rows), batch_size):
        part = Draw(*(values[first : first + batch_size] for values in drawn))
        batch = Batch.from_frames(frames_of(part, images, window=window, size=size), device)
        with torch.no_grad(), autocast(device, dtype):
            loss += objective(batch).sum().item()
        loss_unwarped += l1_per_sample(batch.sources[:, 0], batch.target).sum().item()
    objective.train()
    return Validation(loss / len(drawn.rows), loss_unwarped / len(drawn.rows))
