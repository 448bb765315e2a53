"""Structural dissimilarity: how far two images differ once local brightness and contrast are normalised.

Written by hand, with its gradient: libraries (torchmetrics, kornia) and autograd go over images that do not fit the
caches some hundred times, which took a third of the training step at 64 px.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["dissimilarity_per_sample"]

C1, C2 = 0.01**2, 0.03**2
WINDOW = 3
AREA = WINDOW**2
CHUNK_PIXELS = 2**15
"""Number of pixels that a CPU works on at a time, so that some ten maps of them fit its caches."""


def dissimilarity_per_sample(
    images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """(1 - SSIM) / 2 of each sample, the mean over channels and all 3 x 3 windows inside the image.

    The gradient is that of the formula, in closed form, and only to `images`: targets are data.

    Args:
        images: (B, C, H, W) float in [0, 1], H and W 3 or more.
        targets: (B, C, H, W) float in [0, 1].
        weights: (B, 1, H, W) float of mean 1 in each sample, one for each window, at its upper left pixel; None: all
            windows count alike.

    Returns:
        (B,) float32 in [0, 1], up to rounding; with weights about so, since those of the last rows and columns, where
        no window fits, count in their mean.

    Source:
        Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, with means over
        3 x 3 pixels instead of Gaussian ones, as in photometric losses since Godard et al., CVPR 2017. Not in the
        paper.
    """
    made: torch.Tensor = _Dissimilarity.apply(images, targets, weights)
    return made


class _Dissimilarity(torch.autograd.Function):
    """The gradient is computed with the value, chunk by chunk; the backward pass only scales it."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        pixels = images.shape[2] * images.shape[3]
        chunk = len(images) if images.is_cuda else max(1, CHUNK_PIXELS // pixels)
        gradient = torch.empty_like(images, dtype=torch.float32) if ctx.needs_input_grad[0] else None
        losses = []
        for first in range(0, len(images), chunk):
            part = slice(first, first + chunk)
            parts = [None if each is None else each[part] for each in (gradient, weights)]
            losses.append(_losses(images[part], targets[part], *parts))
        if gradient is not None:
            ctx.save_for_backward(gradient)
            ctx.dtype = images.dtype
        return torch.cat(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * gradients[0][:, None, None, None]).to(ctx.dtype), None, None


def _losses(
    images: torch.Tensor, targets: torch.Tensor, gradient: torch.Tensor | None, weights: torch.Tensor | None
) -> torch.Tensor:
    """The (N,) losses; their gradient to the images is written to `gradient`.

    Maps are flat, so that a sum over windows is a sum of shifted maps, over whole memory. A window is kept at its upper
    left pixel; the positions near the right and lower edge, where a window would not fit, count with weight 0. Means
    are kept as sums over 9 pixels, and both factors above and below as 81 times themselves.
    """
    shape = images.shape
    height, width = shape[2:]
    count, reach = images.numel(), (WINDOW - 1) * (width + 1)
    padded = images.new_zeros(4 * count + reach, dtype=torch.float32)
    a, b, squares, products = padded[: 4 * count].view(4, -1)
    a.view(shape).copy_(images)
    b.view(shape).copy_(targets)
    torch.mul(a, a, out=squares).addcmul_(b, b).mul_(AREA)
    torch.mul(a, b, out=products).mul_(AREA)
    sum_a, sum_b, sum_squares, sum_products = _window_sums(padded, width).view(4, -1)

    product = sum_a * sum_b
    means = (sum_a * sum_a).addcmul_(sum_b, sum_b)
    below, other_below = means + AREA**2 * C1, sum_squares.sub_(means).add_(AREA**2 * C2)
    above, other_above = product + AREA**2 * C1 / 2, sum_products.sub_(product).add_(AREA**2 * C2 / 2)
    inside = images.new_zeros(height, width, dtype=torch.float32)
    inside[: 1 - WINDOW, : 1 - WINDOW] = 4  # the two halves above
    share = (below * other_below).reciprocal_().view(-1, height * width).mul_(inside.view(-1)).view(-1)
    similarity = (above * other_above).mul_(share)
    windows = shape[1] * (height - WINDOW + 1) * (width - WINDOW + 1)
    of_windows = None if weights is None else weights.reshape(len(images), 1, -1)
    counted = similarity.view(len(images), shape[1], -1)
    counted = counted if of_windows is None else counted * of_windows
    losses: torch.Tensor = counted.flatten(1).sum(dim=1).div_(-2 * windows).add_(0.5)
    if gradient is None:
        return losses

    # Of the similarity with respect to the sums over a window of a, of a^2 + b^2 (times 2), and of a b.
    behind = images.new_zeros(3 * count + reach, dtype=torch.float32)
    of_sum, of_squares, of_product = behind[reach:].view(3, -1)
    other = torch.mul(similarity, share)
    torch.mul(other, below, out=of_squares).mul_(-AREA / 2)
    torch.mul(above, share, out=of_product).mul_(AREA)
    torch.sub(other_above, above, out=of_sum).mul_(share).mul_(sum_b)
    of_sum.addcmul_(below.sub_(other_below).mul_(sum_a), other, value=0.5)
    if of_windows is not None:
        behind[reach:].view(3, len(images), shape[1], -1).mul_(of_windows)
    at_a, at_squares, at_product = _window_sums(behind, width).view(3, -1)
    at_a.addcmul_(a, at_squares).addcmul_(b, at_product)
    torch.mul(at_a.view(shape), -0.5 / windows, out=gradient)
    return losses


def _window_sums(maps: torch.Tensor, width: int) -> torch.Tensor:
    """Add to each value the two after it, then to each the two below: (N + 2 width + 2,) to (N,)."""
    across = (maps[:-2] + maps[1:-1]).add_(maps[2:])
    sums: torch.Tensor = (across[: -2 * width] + across[width:-width]).add_(across[2 * width :])
    return sums
