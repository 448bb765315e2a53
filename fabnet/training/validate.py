"""Validation: the model's loss on fixed pairs of unseen people, and the unwarped source's for comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import l1_per_sample
from fabnet.sampling.pairs import Draw
from fabnet.training.device import autocast
from fabnet.training.processes import gather

__all__ = ["Validation", "noise_of_change", "share", "validate"]

NUM_GROUPS = 64
"""Groups of tracks by which the noise of the loss is estimated; a checkpoint keeps their losses."""


class Validation(NamedTuple):
    """Means over the validation samples."""

    loss: float
    """The objective's loss; FAb-Net's is the mean absolute difference of its reconstructions, in [0, 1]."""
    loss_unwarped: float | None
    """Loss of the unchanged first sources, as of a model that does nothing; None if the objective does not warp."""
    groups: list[float]
    """Loss of each of up to 64 groups of tracks; see `noise_of_change`."""
    noise: float | None = None
    """Standard error of the change of the loss since the last round; None in the first."""


def noise_of_change(before: Sequence[float], after: Sequence[float]) -> float | None:
    """Standard error, over groups of tracks, of the change of the validation loss between two rounds.

    Both rounds have the same samples, so what differs between samples cancels, and only the differences of their
    changes remain. A change below this may be an accident of which tracks are validated on.

    Args:
        before: losses of the groups in a round.
        after: the same in another.

    Returns:
        None with fewer than two groups, or without an earlier round.
    """
    if len(before) != len(after) or len(after) < 2:
        return None
    return float(np.std(np.subtract(after, before), ddof=1) / math.sqrt(len(after)))


def share(drawn: Draw, *, rank: int = 0, world_size: int = 1) -> Draw:
    """A process's share of the validation samples, equally many for each: the last sample fills the last share up."""
    count = -(-len(drawn.rows) // world_size)
    return drawn.at(np.minimum(np.arange(rank * count, (rank + 1) * count), len(drawn.rows) - 1))


def validate(
    objective: nn.Module,
    frames: Iterable[torch.Tensor],
    *,
    num_samples: int,
    num_tracks: int,
    device: torch.device,
    dtype: torch.dtype,
    batch_size: int = 64,
) -> Validation:
    """Measure an objective on fixed samples, and leave it in eval mode. The processes share the samples.

    Args:
        objective: the objective, which returns per-sample losses.
        frames: parts of this process's share, (B, S + 1, H, W, 3) uint8 each.
        num_samples: number of samples of all processes, without the filling of `share`.
        num_tracks: number of tracks, which take turns in the samples.
        device: device of the objective.
        dtype: dtype of convolutions.
        batch_size: samples per forward pass; it changes the result only by rounding.

    Returns:
        The same losses in every process.
    """
    objective.eval()
    losses = []
    for part in _joined(frames, batch_size):
        batch = Batch.from_frames(part, device)
        with torch.no_grad(), autocast(device, dtype):
            loss = objective.forward(batch)  # not a call: a compiled network would be compiled again for these batches
        losses.append(torch.stack([loss, l1_per_sample(batch.sources[:, 0], batch.target)], dim=1))
    everyone = gather(torch.cat(losses))[:num_samples].double()
    loss, unwarped = everyone.mean(dim=0).tolist()
    count = min(NUM_GROUPS, num_tracks, num_samples)
    group = (torch.arange(num_samples, device=everyone.device) % num_tracks) % count
    sums = torch.zeros(count, dtype=torch.float64, device=everyone.device).index_add_(0, group, everyone[:, 0])
    return Validation(loss, unwarped if objective.is_warping else None, (sums / group.bincount()).tolist())


def _joined(frames: Iterable[torch.Tensor], batch_size: int) -> Iterator[torch.Tensor]:
    """Join parts until they hold `batch_size` samples."""
    waiting: list[torch.Tensor] = []
    for part in frames:
        waiting.append(part)
        if sum(map(len, waiting)) >= batch_size:
            yield torch.cat(waiting)
            waiting = []
    if waiting:
        yield torch.cat(waiting)
