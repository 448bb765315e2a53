"""The encoder's convolution on small images against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from fabnet.models import halving_conv
from fabnet.models.halving_conv import HalvingConv2d

BOTH = (torch.contiguous_format, torch.channels_last)


def gradients(layer: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    images = images.detach().clone().requires_grad_()
    made = layer(images)
    (made * torch.linspace(-1, 2, made.numel(), dtype=made.dtype).view(made.shape)).sum().backward()
    assert images.grad is not None
    return made.detach(), images.grad


@pytest.mark.parametrize("memory", BOTH)
@pytest.mark.parametrize("size", [2, 4, 6])
def test_equals_the_convolution_and_its_gradients(size: int, memory: torch.memory_format, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(halving_conv, "LARGEST", 6)
    torch.manual_seed(size)
    layer = HalvingConv2d(5, 7).double().to(memory_format=memory)  # type: ignore[call-overload]
    images = torch.randn(3, 5, size, size, dtype=torch.float64).contiguous(memory_format=memory)
    ours = [*gradients(layer, images), layer.weight.grad, layer.bias.grad]
    layer.zero_grad()
    plain = gradients(lambda x: F.conv2d(x, layer.weight, layer.bias, stride=2, padding=1), images)
    theirs = [*plain, layer.weight.grad, layer.bias.grad]
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-12, atol=1e-12)


def test_is_about_as_accurate_as_the_convolution_in_bf16() -> None:
    torch.manual_seed(0)
    layer, images = HalvingConv2d(256, 256), torch.randn(16, 256, 4, 4)
    exact = [*gradients(layer.double(), images.double()), layer.weight.grad.clone()]  # type: ignore[union-attr]
    layer.float().zero_grad()
    errors = []
    for of in (layer, lambda x: F.conv2d(x, layer.weight, layer.bias, stride=2, padding=1)):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found = [*gradients(of, images), layer.weight.grad.clone()]  # type: ignore[union-attr]
        assert found[0].dtype == torch.bfloat16
        errors.append([(a - b).norm() / b.norm() for a, b in zip(found, exact, strict=True)])
    assert all(ours <= 1.2 * theirs for ours, theirs in zip(*errors, strict=True)), errors


def test_the_encoder_computes_the_same_in_training_and_after() -> None:
    torch.manual_seed(0)
    layer, images = HalvingConv2d(6, 8), torch.rand(3, 6, 4, 4)
    trained = layer(images)
    torch.testing.assert_close(layer.eval()(images), trained, rtol=1e-5, atol=1e-6)
    assert "_Halving" in str(trained.grad_fn)
    assert "_Halving" not in str(layer(images).grad_fn)  # what is exported to ONNX is a convolution
