"""The warp against closed forms and an independent sampler."""

from __future__ import annotations

import math

import pytest
import torch

from fabnet.models.warp import warp


def slow_warp(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Sample one pixel at a time, by the definition. image (C, H, W), flow (2, H, W) in half-widths."""
    channels, height, width = image.shape
    result = torch.empty_like(image)
    for y in range(height):
        for x in range(width):
            at_x = (min(max(-1 + 2 * x / (width - 1) + float(flow[0, y, x]), -1), 1) + 1) / 2 * (width - 1)
            at_y = (min(max(-1 + 2 * y / (height - 1) + float(flow[1, y, x]), -1), 1) + 1) / 2 * (height - 1)
            left, top = min(math.floor(at_x), width - 2), min(math.floor(at_y), height - 2)
            share_x, share_y = at_x - left, at_y - top
            for c in range(channels):
                upper = (1 - share_x) * image[c, top, left] + share_x * image[c, top, left + 1]
                lower = (1 - share_x) * image[c, top + 1, left] + share_x * image[c, top + 1, left + 1]
                result[c, y, x] = (1 - share_y) * upper + share_y * lower
    return result


def test_no_flow_gives_the_image_back() -> None:
    images = torch.rand(2, 3, 9, 7)
    torch.testing.assert_close(warp(images, torch.zeros(2, 2, 9, 7)), images)


def test_a_flow_of_one_pixel_shifts_by_one_pixel() -> None:
    images = torch.rand(1, 3, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2 / 7
    warped = warp(images, flow)
    torch.testing.assert_close(warped[..., :-1], images[..., 1:])
    torch.testing.assert_close(warped[..., -1], images[..., -1])


def test_it_equals_a_slow_sampler() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 6, 5, generator=generator)
    flow = torch.rand(2, 2, 6, 5, generator=generator) * 2 - 1
    slow = torch.stack([slow_warp(image, each) for image, each in zip(images, flow, strict=True)])
    torch.testing.assert_close(warp(images, flow), slow, atol=1e-5, rtol=1e-5)


def test_the_gradient_is_right() -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(1, 2, 5, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda each: warp(each, torch.full((1, 2, 5, 5), 0.13)), (images,))


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected images \(B, C, H, W\) and flow \(B, 2, H, W\); got"):
        warp(torch.rand(1, 3, 4, 4), torch.zeros(2, 2, 4, 4))
