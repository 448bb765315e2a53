"""The blend of several warped sources: against a slow reference, at extreme confidences, and its gradients."""

from __future__ import annotations

import math

import pytest
import torch

from fabnet.models.blend import blend, source_weights
from fabnet.models.warp import warp


def slow_blend(sources: torch.Tensor, flow: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
    """Warp and blend pixel by pixel, written from the paper's formulas alone."""
    count, num_sources, channels, height, width = sources.shape
    made = torch.zeros(count, channels, height, width, dtype=sources.dtype)
    for b in range(count):
        for y in range(height):
            for x in range(width):
                shares = [math.exp(float(confidence[b, s, y, x])) for s in range(num_sources)]
                for s in range(num_sources):
                    px = min(max(x + float(flow[b, s, 0, y, x]) * (width - 1) / 2, 0.0), width - 1.0)
                    py = min(max(y + float(flow[b, s, 1, y, x]) * (height - 1) / 2, 0.0), height - 1.0)
                    left, top = min(int(px), width - 2), min(int(py), height - 2)
                    right_share, low_share = px - left, py - top
                    image = sources[b, s]
                    above = image[:, top, left] * (1 - right_share) + image[:, top, left + 1] * right_share
                    below = image[:, top + 1, left] * (1 - right_share) + image[:, top + 1, left + 1] * right_share
                    value = above * (1 - low_share) + below * low_share
                    made[b, :, y, x] += value * shares[s] / sum(shares)
    return made


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fast_blend(sources: torch.Tensor, flow: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
    warped = warp(sources.flatten(0, 1), flow.flatten(0, 1)).view(sources.shape)
    return blend(warped, source_weights(confidence))


def test_warp_and_blend_agree_with_a_slow_sampler() -> None:
    sources, confidence = drawn(2, 3, 3, 6, 6, seed=0), 6 * drawn(2, 3, 6, 6, seed=1) - 3
    flow = 2.4 * drawn(2, 3, 2, 6, 6, seed=2) - 1.2  # reaches beyond the image
    torch.testing.assert_close(fast_blend(sources, flow, confidence), slow_blend(sources, flow, confidence))


def test_gradients_of_warp_and_confidence() -> None:
    sources, confidence = drawn(1, 2, 2, 4, 4, seed=0), drawn(1, 2, 4, 4, seed=1)
    # The sampler has kinks at pixel centres and at the border, so the flow stays between them.
    flow = (0.3 * drawn(1, 2, 2, 4, 4, seed=2) + 0.15) * torch.tensor([[[-1.0]], [[1.0]]])
    inside = (flow.abs() * 1.5) % 1
    assert ((inside > 0.01) & (inside < 0.99)).all()
    flow[..., 0] = flow[..., 0].abs()
    flow[..., -1] = -flow[..., -1].abs()
    flow[..., 0, :], flow[..., -1, :] = flow[..., 0, :].abs(), -flow[..., -1, :].abs()
    inputs = [value.requires_grad_() for value in (sources, flow, confidence)]
    assert torch.autograd.gradcheck(fast_blend, inputs, eps=1e-6, atol=1e-6)


def test_weights_are_shares_at_any_confidence() -> None:
    confidence = torch.tensor([1e4, -1e4, 9e3, 0.0])[None, :, None, None].expand(1, 4, 2, 2)
    for dtype in (torch.float32, torch.bfloat16):
        weights = source_weights(confidence.to(dtype))
        assert weights.dtype == torch.float32
        assert weights.isfinite().all()
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(1, 2, 2))
        assert weights[0, 0].min() > 0.99
    torch.testing.assert_close(source_weights(torch.zeros(1, 3, 2, 2)), torch.full((1, 3, 2, 2), 1 / 3))


def test_a_source_outweighs_another_by_e_to_the_difference() -> None:
    weights = source_weights(torch.tensor([1.0, -1.0])[None, :, None, None])
    assert float(weights[0, 0, 0, 0] / weights[0, 1, 0, 0]) == pytest.approx(math.e**2, rel=1e-5)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="expected images"):
        blend(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 3, 4, 4))
