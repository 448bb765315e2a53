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
    # The numbers of a GPU, and of a graph that is compiled, are not known here.
    are_known = images.device.type == "cpu" and not torch.compiler.is_compiling()
    return (_one_by_one if are_known else _all_at_once)(images, frames, boxes)


def _all_at_once(images: torch.Tensor, frames: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Gather all pixels anew, whatever the numbers are."""
    count, _, height, width = images.shape
    x = torch.arange(width, device=images.device)
    y = torch.arange(height, device=images.device)
    image = torch.arange(count, device=images.device)[:, None, None]
    in_pixels = torch.tensor([width, height, width, height]).to(images, non_blocking=True)
    left, top, right, bottom = (frames * in_pixels).round().long()[:, :, None].unbind(dim=1)
    rows, columns = y.clamp(top, bottom - 1), x.clamp(left, right - 1)
    framed = (image * height + rows[:, :, None]) * width + columns[:, None, :]
    left, top, right, bottom = (boxes * in_pixels).round().long()[:, :, None].unbind(dim=1)
    is_erased = ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None, :]
    # Each pixel is one of a list: those of all images, then their mean colours.
    pixels = torch.cat([images.permute(0, 2, 3, 1).flatten(0, 2), images.mean(dim=(2, 3))])
    chosen = torch.where(is_erased, count * height * width + image, framed)
    return pixels.index_select(0, chosen.view(-1)).view(count, height, width, -1).permute(0, 3, 1, 2)


def _one_by_one(images: torch.Tensor, frames: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Write only the pixels that change."""
    height, width = images.shape[2:]
    in_pixels = torch.tensor([width, height, width, height])
    made = images.clone()
    places = ((each * in_pixels).round().long().tolist() for each in (frames, boxes))
    for image, before, frame, box in zip(made, images, *places, strict=True):
        left, top, right, bottom = frame
        if frame != [0, 0, width, height]:
            image[:, :top] = image[:, top : top + 1]
            image[:, bottom:] = image[:, bottom - 1 : bottom]
            image[:, :, :left] = image[:, :, left : left + 1]
            image[:, :, right:] = image[:, :, right - 1 : right]
        left, top, right, bottom = box
        if left < right and top < bottom:
            image[:, top:bottom, left:right] = before.mean(dim=(1, 2))[:, None, None]
    return made
