"""Hides parts of the image from the encoder; the warped image keeps them."""

from __future__ import annotations

import torch

__all__ = ["occluded"]


def occluded(images: torch.Tensor, frames: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Frame images tightly and erase a box in each.

    Outside its frame an image repeats the frame's border; inside its box it has its mean colour before framing. A
    frame (0, 0, 1, 1) and a box of zero width leave an image unchanged. Not in the paper.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1].
        frames: (N, 4) float32: left, top, right, bottom, in shares of the image's sides.
        boxes: (N, 4) float32: left, top, right, bottom, in shares of the image's sides.

    Returns:
        (N, 3, H, W) float32 in [0, 1].
    """
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device)
    y = torch.arange(height, device=images.device)
    in_pixels = images.new_tensor([width, height, width, height])
    left, top, right, bottom = (frames * in_pixels).round().long()[:, :, None].unbind(dim=1)
    rows, columns = y.clamp(top, bottom - 1), x.clamp(left, right - 1)
    samples = torch.arange(len(images), device=images.device)[:, None, None]
    # Indexed in channels-last order, to match the images' memory.
    framed = images.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    left, top, right, bottom = (boxes * in_pixels).round().long()[:, :, None].unbind(dim=1)
    is_erased = ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None, :]
    return torch.where(is_erased[:, None], images.mean(dim=(2, 3), keepdim=True), framed)
