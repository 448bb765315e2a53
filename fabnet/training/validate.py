"""Validation: the model's L1 on fixed pairs of unseen people, beside the unwarped source's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fabnet.faces.window import Window
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import l1_per_sample
from fabnet.sampling.loader import ImageSource, frames_of
from fabnet.sampling.pairs import Draw
from fabnet.training.device import autocast
from fabnet.training.processes import gather

__all__ = ["Validation", "validate"]


class Validation(NamedTuple):
    """Means over the validation samples.

    Attributes:
        loss: the objective's; FAb-Net's is the mean absolute difference of its reconstructions, in [0, 1].
        loss_unwarped: that of the first sources as they are: what a model that does nothing would have. None where
            the objective warps nothing.
    """

    loss: float
    loss_unwarped: float | None


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
    rank: int = 0,
    world_size: int = 1,
) -> Validation:
    """Measure an objective on fixed samples, and leave it in eval mode. Each process takes its share of them.

    Args:
        objective: gives per-sample losses.
        drawn: the samples.
        images: the store that they lie in.
        window: the unmoved inner window.
        size: of the network's input in pixels.
        device: where the objective lies.
        dtype: that convolutions compute in.
        batch_size: samples at once; the result does not hang on it beyond rounding.
        rank: of this process.
        world_size: number of processes.

    Returns:
        The same in every process.
    """
    objective.eval()
    count = -(-len(drawn.rows) // world_size)
    # The last process's share is filled up with the last sample: all must hand in as many.
    mine = np.minimum(np.arange(rank * count, (rank + 1) * count), len(drawn.rows) - 1)
    losses = []
    for first in range(0, count, batch_size):
        part = drawn.at(mine[first : first + batch_size])
        batch = Batch.from_frames(frames_of(part, images, window=window, size=size), device)
        with torch.no_grad(), autocast(device, dtype):
            loss = objective(batch)
        losses.append(torch.stack([loss, l1_per_sample(batch.sources[:, 0], batch.target)], dim=1))
    everyone = gather(torch.cat(losses))[: len(drawn.rows)]
    loss, unwarped = everyone.double().mean(dim=0).tolist()
    return Validation(loss, unwarped if objective.is_warping else None)
