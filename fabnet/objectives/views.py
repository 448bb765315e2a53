"""What the encoder sees of an image in training: other colours, a tight frame, a box erased."""

from __future__ import annotations

import torch

from fabnet.objectives.occlude import occluded
from fabnet.objectives.recolour import recoloured

__all__ = ["seen"]


def seen(images: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """Show images as the encoder is to see them.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1].
        views: (N, 13) float32, as `fabnet.sampling.pairs.Draw` has them: five numbers for `recoloured`, four of a frame
            and four of a box for `occluded`.

    Returns:
        (N, 3, H, W) float32 in [0, 1].
    """
    colours, frames, boxes = views.split((5, 4, 4), dim=1)
    return occluded(recoloured(images, colours), frames, boxes)
