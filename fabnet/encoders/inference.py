"""Prepares networks for inference: folds batch-norms, packs weights, converts to bf16 on request."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fabnet.encoders.embedder import Precision
from fabnet.models.encoder import Encoder
from fabnet.training import device

__all__ = ["choose_precision", "for_inference"]


def choose_precision(precision: Precision, torch_device: torch.device) -> torch.dtype:
    """Choose the dtype that an encoder computes in.

    Args:
        precision: "auto" is bf16 on a CPU with instructions for it (AVX-512 BF16), otherwise float32.
        torch_device: the device.
    """
    if precision == "auto":
        return device.choose_precision("auto", torch_device) if torch_device.type == "cpu" else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def for_inference(network: nn.Module, torch_device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Make a network faster but no longer trainable, in place.

    Args:
        network: an `Encoder`, or a network that contains some, in eval mode; other parts stay float32.
        torch_device: the device to run on.
        dtype: dtype that the encoders compute in; their inputs and outputs stay float32.

    Returns:
        The network.
    """
    network = network.to(torch_device).eval()
    for module in list(network.modules()):
        if isinstance(module, Encoder):
            module.layers = _Folded(module.layers, module.size, dtype)  # type: ignore[assignment]
    return network


def _can_pack(dtype: torch.dtype) -> bool:
    """Whether oneDNN takes weights of this dtype here: bf16 needs AVX-512 or AVX-NE-CONVERT."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _Folded(nn.Module):
    """An encoder's layers, (B, C, size, size) to (B, D, 1, 1): convolutions, each but the last with a leaky ReLU."""

    def __init__(self, layers: nn.Sequential, size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        convolutions: list[nn.Conv2d] = []
        for layer in layers:
            if isinstance(layer, nn.BatchNorm2d):
                convolutions[-1] = fuse_conv_bn_eval(convolutions[-1], layer)
            elif isinstance(layer, nn.Conv2d):
                convolutions.append(layer)
        self.weights = [each.weight.detach().to(dtype, memory_format=torch.channels_last) for each in convolutions]
        self.biases = [each.bias.detach().to(dtype) for each in convolutions if each.bias is not None]
        self.slope = next(layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU))
        # The operator of torch's own compiler on a CPU, which applies the activation before it writes.
        self.is_packed = self.weights[0].device.type == "cpu" and _can_pack(dtype)
        if self.is_packed:
            pack = torch.ops.mkldnn._reorder_convolution_weight
            self.weights = [
                pack(weight, [1, 1], [2, 2], [1, 1], 1, [8, weight.shape[1], size >> i, size >> i])
                for i, weight in enumerate(self.weights)
            ]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images, last = images.to(self.dtype, memory_format=torch.channels_last), len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self.is_packed:
                activation = ("leaky_relu", [self.slope], "") if i < last else ("none", [], "")
                images = torch.ops.mkldnn._convolution_pointwise(
                    images, weight, bias, [1, 1], [2, 2], [1, 1], 1, *activation
                )
            else:
                images = F.conv2d(images, weight, bias, stride=2, padding=1)
                images = F.leaky_relu(images, self.slope) if i < last else images
        return images.float()
