"""Two looks at a face in one network: at the whole image, and closer at its middle.

The network's input is one and a half times as large as a look. The whole image is shrunk to the size of a look, and the
middle is cut out as it is. Not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from fabnet.models.encoder import Encoder

__all__ = ["TwoLooks", "has_two_looks", "looks_at", "shared_between_looks"]


def looks_at(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The whole of images, shrunk, and their middle.

    Args:
        images: (B, C, 3 K, 3 K) float; K is even.

    Returns:
        Two (B, C, 2 K, 2 K) of the same dtype: the whole image, averaged over areas, and the middle, unchanged.
    """
    edge = images.shape[-1] // 6
    close = images[..., edge:-edge, edge:-edge]
    return _shrunk(_shrunk(images).mT).mT, close


def _shrunk(images: torch.Tensor) -> torch.Tensor:
    """Three columns become two, each the mean of one and a half."""
    left, middle, right = images.unflatten(-1, (-1, 3)).unbind(-1)
    return torch.stack([2 * left + middle, middle + 2 * right], dim=-1).flatten(-2) / 3


class TwoLooks(nn.Module):
    """Two encoders, one for each look; either gives half of the embedding.

    Args:
        size: side of a look in pixels, a power of two.
        width: channels after each encoder's first convolution.
        embedding_dim: D, even; the whole image gives the first half.

    Raises:
        ValueError: `embedding_dim` is odd, or `size` is not a power of two.
    """

    def __init__(self, size: int, width: int, embedding_dim: int) -> None:
        super().__init__()
        if embedding_dim % 2:
            raise ValueError(f"two looks need an even embedding_dim; got {embedding_dim}")
        self.of_whole = Encoder(size, width, embedding_dim // 2)
        self.of_close = Encoder(size, width, embedding_dim // 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed faces.

        Args:
            images: (B, 3, 1.5 size, 1.5 size) float, RGB in [0, 1].

        Returns:
            (B, D) float embeddings, before any activation.
        """
        whole, close = looks_at(images)
        return torch.cat([self.of_whole(whole), self.of_close(close)], dim=1)


def has_two_looks(weights: Iterable[str]) -> bool:
    """Whether the names of a network's weights are those of one with two looks."""
    return any(name.startswith("encoder.of_close.") for name in weights)


def shared_between_looks(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a network with one look for the same network with two: each encoder starts as a copy.

    The last convolution's outputs are shared: the whole image keeps the first half of the embedding, the close look the
    second, so the decoders fit as they are.

    Args:
        weights: a state dict with `encoder.layers.N.*`.
    """
    layers = [re.fullmatch(r"encoder\.layers\.((\d+)\..+)", name) for name in weights]
    last = max((int(each[2]) for each in layers if each is not None), default=-1)
    made = {}
    for (name, value), layer in zip(weights.items(), layers, strict=True):
        if layer is None:
            made[name] = value
            continue
        halves = value.chunk(2) if int(layer[2]) == last else (value, value)
        for part, half in zip(("of_whole", "of_close"), halves, strict=True):
            made[f"encoder.{part}.layers.{layer[1]}"] = half.clone()
    return made
