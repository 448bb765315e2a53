"""The fused operation against upsampling followed by convolution."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fabnet.models.upsample_conv import UpsampleConvs, upsample_conv


def plain(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return F.conv2d(F.interpolate(images, scale_factor=2, mode="bilinear"), weight, bias, padding=1)


def gradients(operation: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> list[torch.Tensor]:
    leaves = [each.detach().clone().requires_grad_() for each in inputs]
    made = operation(*leaves)
    ramp = torch.linspace(-1, 2, made.numel(), dtype=made.dtype).view(made.shape)
    (made * ramp).sum().backward()
    return [made.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize(
    ("made", "channels", "height", "width"),
    [
        (16, 12, 1, 1),
        (9, 2, 40, 3),
        (16, 12, 2, 4),
        (2, 12, 8, 8),
        (1, 5, 4, 16),
        (16, 3, 32, 16),
        (12, 6, 64, 32),
        (9, 130, 128, 8),
    ],
)
def test_equals_upsampling_and_then_convolving(made: int, channels: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(made)
    shapes = ((2, channels, height, width), (made, channels, 3, 3), (made,))
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    for ours, expected in zip(gradients(upsample_conv, *inputs), gradients(plain, *inputs), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_is_as_accurate_as_the_two_operations_in_bf16() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((4, 128, 16, 16), generator=generator)
    weight = torch.randn((64, 128, 3, 3), generator=generator) / 34
    exact = plain(images, weight, torch.zeros(64))
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = (of(images.bfloat16(), weight, torch.zeros(64)) for of in (upsample_conv, plain))
    assert ours.dtype == torch.bfloat16
    assert (ours - exact).abs().mean() < 1.3 * (theirs - exact).abs().mean()


def test_layers_keep_their_indices() -> None:
    layers = [nn.ReLU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 9, 3, padding=1), nn.BatchNorm2d(9)]
    images = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(UpsampleConvs(*layers)(images), nn.Sequential(*layers)(images), rtol=1e-4, atol=1e-5)
    assert set(UpsampleConvs(*layers).state_dict()) == set(nn.Sequential(*layers).state_dict())


def test_a_matrix_cached_in_inference_mode_serves_training() -> None:
    weight, bias = torch.randn(9, 2, 3, 3), torch.zeros(9)
    images = torch.randn(1, 2, 7, 5)  # a size that no other test caches
    with torch.inference_mode():
        upsample_conv(images, weight, bias)
    assert all(part.isfinite().all() for part in gradients(upsample_conv, images, weight, bias))
