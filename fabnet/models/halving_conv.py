"""The encoder's convolution: 4x4, stride 2, padding 1, half as many pixels a side.

On a CPU, convolutions of 2 or 4 pixels a side train through matrix products, one for each pixel of the output: what its
window covers times the weights there. The kernels of a convolution are made for large images; on so small ones the
gradient of the weights took a sixth to a quarter of the training step at 64 px.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

__all__ = ["LARGEST", "HalvingConv2d"]

LARGEST = 4
"""Side in pixels up to which products are faster than a convolution, on a CPU."""


class HalvingConv2d(nn.Conv2d):
    """`nn.Conv2d` with a kernel of 4x4, stride 2 and padding 1, faster in training on small images.

    Args:
        in_channels: I.
        out_channels: O.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve.

        Args:
            images: (B, I, N, N) float, N even.

        Returns:
            (B, O, N / 2, N / 2) in the dtype of the images, or of autocast.
        """
        if images.device.type != "cpu" or images.shape[-1] > LARGEST or not self.training:
            return super().forward(images)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        assert self.bias is not None
        made: torch.Tensor = _Halving.apply(*(each.to(dtype) for each in (images, self.weight, self.bias)))
        return made


class _Halving(torch.autograd.Function):
    """Autograd's own gradients of slices fill and add images and weights as a whole for each pixel of the output."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        pixels, taps = images.permute(0, 2, 3, 1), weight.permute(2, 3, 1, 0).contiguous()
        count, size, made = len(pixels), pixels.shape[1], taps.shape[-1]
        halved = pixels.new_empty(count, size // 2, size // 2, made)
        for row, column, window, kernel in _windows(size):
            seen = pixels[:, *window].reshape(count, -1)
            halved[:, row, column] = torch.addmm(bias, seen, taps[kernel].reshape(-1, made))
        ctx.save_for_backward(pixels, taps)
        return halved.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pixels, taps = ctx.saved_tensors
        count, size, made = len(pixels), pixels.shape[1], taps.shape[-1]
        of_halved = gradients[0].permute(0, 2, 3, 1).contiguous()
        sums = torch.promote_types(taps.dtype, torch.float32)
        of_pixels, of_taps = (torch.zeros_like(each, dtype=sums) for each in (pixels, taps))
        for row, column, window, kernel in _windows(size):
            seen, used, back = pixels[:, *window], taps[kernel], of_halved[:, row, column]
            of_pixels[:, *window] += (back @ used.reshape(-1, made).T).view(seen.shape)
            of_taps[kernel] += (seen.reshape(count, -1).T @ back).view(used.shape)
        return (
            of_pixels.permute(0, 3, 1, 2).to(pixels.dtype),
            of_taps.permute(3, 2, 0, 1).to(taps.dtype),
            of_halved.sum(dim=(0, 1, 2)),
        )


def _windows(size: int) -> list[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """For each pixel of the output: row, column, what its window covers of the image, and of the weights."""
    spans = []
    for at in range(size // 2):
        first, last = max(0, 2 * at - 1), min(size, 2 * at + 3)
        spans.append((slice(first, last), slice(first - 2 * at + 1, last - 2 * at + 1)))
    return [
        (row, column, (of_rows, of_columns), (tap_rows, tap_columns))
        for row, (of_rows, tap_rows) in enumerate(spans)
        for column, (of_columns, tap_columns) in enumerate(spans)
    ]
