"""What the encoder sees of an image in training: changed colours, a tight frame, an erased box."""

from __future__ import annotations

import torch

from fabnet.objectives.occlude import occluded
from fabnet.objectives.recolour import recoloured

__all__ = ["seen"]


def seen(images: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """Apply to images what the encoder is to see.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1].
        views: (N, 13) float32, as in `fabnet.sampling.pairs.Draw`: five numbers for `recoloured`, then a frame and a
            box of four each for `occluded`.

    Returns:
        (N, 3, H, W) float32 in [0, 1].
    """
    colours, frames, boxes = views.split((5, 4, 4), dim=1)
    return occluded(recoloured(images, colours), frames, boxes)
