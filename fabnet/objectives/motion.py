"""Weights of a loss's pixels that follow what moves between source and target."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["motion_weights"]

SPREAD = 5
"""Side in pixels of the square around a pixel over which change is averaged."""
LARGEST = 4.0
"""Upper bound on a pixel's change, in means of its sample: a hand or a cut-off shoulder must not be all that counts."""
LEAST_CHANGE = 1e-3
"""Mean change, of intensities in [0, 1], below which two frames count as the same."""


def motion_weights(sources: torch.Tensor, targets: torch.Tensor, share: float) -> torch.Tensor:
    """1 - share everywhere, and share in proportion to how much two frames differ around a pixel.

    Eyes and mouths are found without labels: in frames near in time, they are what moves. Not in the paper.

    Args:
        sources: (B, C, H, W) float in [0, 1].
        targets: (B, C, H, W) float in [0, 1].
        share: 0 or more and less than 1.

    Returns:
        (B, 1, H, W) float32, positive; about 1 on average, and 1 - share in frames that do not differ.
    """
    change = (sources.float() - targets.float()).abs().mean(dim=1, keepdim=True)
    change = F.avg_pool2d(change, SPREAD, stride=1, padding=SPREAD // 2, count_include_pad=False)
    relative = change / change.mean(dim=(1, 2, 3), keepdim=True).clamp_min(LEAST_CHANGE)
    return (1 - share) + share * relative.clamp_max(LARGEST)
