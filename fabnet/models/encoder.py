"""The encoder: a face image to its embedding."""

from __future__ import annotations

import torch
from torch import nn

from fabnet.models.halving_conv import HalvingConv2d

__all__ = ["Encoder", "num_halvings"]


def num_halvings(size: int) -> int:
    """How many times `size` halves down to 1: the number of blocks in encoder and decoder.

    Raises:
        ValueError: `size` is not a power of two, or is below 16.
    """
    if size < 16 or size & (size - 1):
        raise ValueError(f"image size must be a power of two, 16 or more; got {size}")
    return size.bit_length() - 1


class Encoder(nn.Module):
    """A face image to its attribute embedding.

    log2(size) convolutions of 4x4, stride 2, each halving the image, down to 1x1. Channels double from
    `width` to 8 x `width` and stay there; the last convolution gives the embedding, without norm or
    activation. At 256 px and width 32 the 4,887,904 parameters match the authors' code.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the first convolution.
        embedding_dim: D, the length of the embedding.
        in_channels: channels of the image.

    Source: paper, section 3.1 (the layers are those of the authors' released code).
    """

    def __init__(self, size: int = 256, width: int = 32, embedding_dim: int = 256, in_channels: int = 3) -> None:
        super().__init__()
        blocks = num_halvings(size)
        channels = [in_channels] + [min(width * 2**i, width * 8) for i in range(blocks - 1)] + [embedding_dim]
        layers: list[nn.Module] = []
        for i in range(blocks):
            layers.append(HalvingConv2d(channels[i], channels[i + 1]))
            if 0 < i < blocks - 1:
                layers.append(nn.BatchNorm2d(channels[i + 1]))
            if i < blocks - 1:
                layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.size, self.embedding_dim = size, embedding_dim
        self.layers = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed faces.

        Args:
            images: (B, in_channels, size, size) float, RGB in [0, 1].

        Returns:
            (B, D) float embeddings, before any activation.
        """
        return self.layers(images).flatten(1)  # type: ignore[no-any-return]
