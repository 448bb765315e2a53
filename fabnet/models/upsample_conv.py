"""Bilinear x2 upsampling and a 3x3 convolution as one operation: a quarter of the multiplications, and no large image
in between.

Both are linear, and upsampling treats all channels alike, so each of the nine taps can mix the channels of the small
image first: nine matrix products of a quarter of the size. The rest is to upsample, shift and add, along one axis and
then the other: products with a fixed matrix, (2n, 3n) for an axis of n pixels. That matrix is banded, so long axes are
cut into tiles.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["UpsampleConvs", "upsample_conv"]

TILE = 16
LONGEST_UNCUT = 32
FEW_CHANNELS = 8
LARGE = 128
"""Size from which moving nine maps of fewer channels costs more than it saves."""


class UpsampleConvs(nn.Sequential):
    """A sequence of layers that runs each upsampling and the convolution after it as one operation.

    The layers keep their indices, so weights have the same names as in the authors' code.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Apply the layers in their order.

        Args:
            images: (B, C, H, W) float.

        Returns:
            The output of the last layer.
        """
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                images = upsample_conv(images, layer.weight, layer.bias)
            elif not isinstance(layer, nn.Upsample):
                images = layer(images)
        return images


def upsample_conv(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Equal to `conv2d(interpolate(images, scale_factor=2, mode="bilinear"), weight, bias, padding=1)`.

    Args:
        images: (B, I, H, W) float; fastest with channels-last memory.
        weight: (O, I, 3, 3) float.
        bias: (O,) float.

    Returns:
        (B, O, 2H, 2W) in the dtype of the images, or of autocast.
    """
    batch, channels, height, width = images.shape
    made, is_large = len(weight), max(height, width) >= LARGE
    if images.is_cuda or (made > FEW_CHANNELS and is_large and channels < LARGE):
        return F.conv2d(F.interpolate(images, scale_factor=2, mode="bilinear"), weight, bias, padding=1)
    pixels = images.permute(0, 2, 3, 1)
    if made <= FEW_CHANNELS:  # map by map, with an image axis innermost
        taps = (pixels @ weight.permute(1, 0, 2, 3).flatten(1)).view(batch, height, width, made, 3, 3)
        taps = taps.permute(0, 3, 1, 4, 5, 2).reshape(-1, 3 * width)  # (B, O, H, ky), (kx, W)
        rows, columns = (_shifts(n, n, taps.dtype)[0].unflatten(1, (n, 3)).mT.flatten(1) for n in (height, width))
        across = (taps @ columns.T).view(batch, made, height, 3, -1)
        whole: torch.Tensor = rows @ across.transpose(2, 3).flatten(2, 3)
        return whole + bias.to(whole.dtype)[:, None, None]
    taps = pixels @ weight.permute(1, 3, 2, 0).flatten(1)  # B, H, W, (kx, ky, O)
    across = _along(taps.view(batch * height, width, -1)).view(batch, height, 2 * width, 3, made)
    whole = _along(across.transpose(2, 3).reshape(batch, height, -1)).view(batch, 2 * height, 2 * width, made)
    return (whole + bias.to(whole.dtype)).permute(0, 3, 1, 2)


def _along(taps: torch.Tensor) -> torch.Tensor:
    """Upsample along an axis and add up the taps: (N, n, 3 K), the three taps in turn, to (N, 2n, K)."""
    count, length, _ = taps.shape
    if length <= LONGEST_UNCUT or length % TILE:
        return torch.matmul(_shifts(length, length, taps.dtype)[0], taps.view(count, 3 * length, -1))
    tiles: torch.Tensor = _Tiles.apply(taps)
    tiles = tiles.view(count, length // TILE, 3 * (TILE + 2), -1)
    return torch.matmul(_shifts(length, TILE, taps.dtype), tiles).flatten(1, 2)


@functools.lru_cache(maxsize=32)
@torch.inference_mode(False)  # the cache must also serve training if inference fills it first
def _shifts(length: int, tile: int, dtype: torch.dtype) -> torch.Tensor:
    """The three taps of the small axis, upsampled and shifted: (n / tile, 2 tile, 3 tile), columns (pixel, tap).

    If the axis is cut, each tile also covers a pixel beyond either end: 3 (tile + 2) columns.
    """
    upsampled = F.interpolate(torch.eye(length)[:, None], scale_factor=2, mode="linear")[:, 0].T
    padded = F.pad(upsampled, (0, 0, 1, 1))
    shifted = torch.stack([padded[:-2], padded[1:-1], padded[2:]], dim=2)  # 2n, n, tap
    if tile == length:
        return shifted.flatten(1)[None].to(dtype)
    shifted = F.pad(shifted, (0, 0, 1, 1))
    starts = range(0, length, tile)
    return torch.stack([shifted[2 * at : 2 * (at + tile), at : at + tile + 2].flatten(1) for at in starts]).to(dtype)


class _Tiles(torch.autograd.Function):
    """An axis cut into tiles that overlap by two: (N, n, K) to (N, n / TILE, TILE + 2, K), zeros beyond the ends."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        count, length, depth = values.shape
        inner = values.view(count, length // TILE, TILE, depth)
        tiles = values.new_zeros(count, length // TILE, TILE + 2, depth)
        tiles[:, :, 1:-1] = inner
        tiles[:, 1:, 0] = inner[:, :-1, -1]
        tiles[:, :-1, -1] = inner[:, 1:, 0]
        return tiles

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (tiles,) = gradients
        inner = tiles[:, :, 1:-1].contiguous()
        inner[:, :-1, -1] += tiles[:, 1:, 0]
        inner[:, 1:, 0] += tiles[:, :-1, -1]
        return inner.flatten(1, 2)
