"""Validation: the model's loss on fixed pairs of unseen people, and the unwarped source's for comparison."""

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
    """Means over the validation samples."""

    loss: float
    """The objective's loss; FAb-Net's is the mean absolute difference of its reconstructions, in [0, 1]."""
    loss_unwarped: float | None
    """Loss of the unchanged first sources, as of a model that does nothing; None if the objective does not warp."""


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
    """Measure an objective on fixed samples, and leave it in eval mode. The processes share the samples.

    Args:
        objective: the objective, which returns per-sample losses.
        drawn: the samples.
        images: the store that contains them.
        window: the unmoved inner window.
        size: side of the network's input in pixels.
        device: device of the objective.
        dtype: dtype of convolutions.
        batch_size: samples per forward pass; it changes the result only by rounding.
        rank: rank of this process.
        world_size: number of processes.

    Returns:
        The same losses in every process.
    """
    objective.eval()
    count = -(-len(drawn.rows) // world_size)
    # The last process's share is padded with the last sample, because all must gather equally many.
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
