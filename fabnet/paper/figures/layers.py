"""Reads a network's sizes off its own tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

__all__ = ["FeatureMap", "LayerChain", "chain_of"]


class FeatureMap(NamedTuple):
    """The tensor between two layers: `channels` maps of `side` x `side` pixels."""

    channels: int
    side: int


class LayerChain(NamedTuple):
    """A chain of convolutions.

    Attributes:
        maps: the input, then the output of each convolution.
        kernel: side of the convolutions' kernels.
        num_parameters: parameters of all its layers.
    """

    maps: tuple[FeatureMap, ...]
    kernel: int
    num_parameters: int

    def to_json(self) -> dict[str, Any]:
        """The chain as a JSON object."""
        return {"maps": [list(each) for each in self.maps], "kernel": self.kernel, "parameters": self.num_parameters}


def chain_of(network: nn.Module, side: int) -> LayerChain:
    """Follow an image's size through a chain of convolutions and upsamplings.

    Args:
        network: an encoder or decoder with its layers in order.
        side: side of the input in pixels.
    """
    maps: list[FeatureMap] = []
    kernel, now = 0, side
    for layer in network.modules():
        if isinstance(layer, nn.Upsample):
            now *= int(layer.scale_factor)  # type: ignore[arg-type]
        elif isinstance(layer, nn.Conv2d):
            made, taken, kernel = layer.weight.shape[:3]
            if not maps:
                maps.append(FeatureMap(taken, side))
            now = (now + 2 * int(layer.padding[0]) - kernel) // layer.stride[0] + 1
            maps.append(FeatureMap(made, now))
    return LayerChain(tuple(maps), kernel, sum(each.numel() for each in network.parameters()))
