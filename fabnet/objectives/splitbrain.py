"""The split-brain baseline: predict lightness from colour, and colour from lightness."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from fabnet.models.decoder import PictureDecoder
from fabnet.models.encoder import Encoder
from fabnet.models.lab import rgb_to_lab
from fabnet.objectives.batch import Batch
from fabnet.objectives.options import ObjectiveOptions

__all__ = ["SplitBrain", "SplitEncoder"]

LIGHTNESS_SCALE, COLOUR_SCALE = 50.0, 25.0
"""Divisors of L* - 50 and of a* and b*, for about unit variance on faces."""


def _scaled_lab(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 3, H, W) sRGB in [0, 1] to (B, 1, H, W) lightness and (B, 2, H, W) colour, about zero mean, unit variance."""
    lab = rgb_to_lab(images)
    return lab[:, :1] / LIGHTNESS_SCALE - 1, lab[:, 1:] / COLOUR_SCALE


class SplitEncoder(nn.Module):
    """Two encoders of half the width, one for lightness and one for colour; their embeddings are concatenated.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the first convolution, both halves together.
        embedding_dim: D, both halves together.

    Source: Zhang, Isola, Efros: Split-brain autoencoders, CVPR 2017: the network is split in halves along its channels.
    """

    def __init__(self, size: int = 256, width: int = 32, embedding_dim: int = 256) -> None:
        super().__init__()
        self.size, self.embedding_dim = size, embedding_dim
        self.of_lightness = Encoder(size, width // 2, embedding_dim // 2, in_channels=1)
        self.of_colour = Encoder(size, width // 2, embedding_dim // 2, in_channels=2)

    def halves(self, lightness: torch.Tensor, colour: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 1, H, W) and (B, 2, H, W) scaled channels to two embeddings (B, D / 2)."""
        return self.of_lightness(lightness), self.of_colour(colour)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed faces.

        Args:
            images: (B, 3, size, size) float, RGB in [0, 1].

        Returns:
            (B, D) float embeddings: lightness, then colour.
        """
        return torch.cat(self.halves(*_scaled_lab(images)), dim=1)


class SplitBrain(nn.Module):
    """Predicts colour from lightness and lightness from colour, each with half a network and a regression loss.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the encoder's first convolution, both halves together; even.
        embedding_dim: D, both halves together; even.

    Raises:
        ValueError: width or embedding_dim is odd.

    Source: Zhang, Isola, Efros: Split-brain autoencoders, CVPR 2017; paper, section 5.1.1: "the regression loss for
    both the L and ab channels".
    """

    Options = ObjectiveOptions
    num_sources: ClassVar[int] = 1
    is_warping: ClassVar[bool] = False
    is_per_sample: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = False
    takes_views: ClassVar[bool] = False

    def __init__(self, size: int = 256, width: int = 32, embedding_dim: int = 256) -> None:
        super().__init__()
        if width % 2 or embedding_dim % 2:
            raise ValueError(f"splitbrain needs an even width and embedding_dim; got {width} and {embedding_dim}")
        self.encoder = SplitEncoder(size, width, embedding_dim)
        self.to_colour = PictureDecoder(size, width // 2, embedding_dim // 2, 2)
        self.to_lightness = PictureDecoder(size, width // 2, embedding_dim // 2, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample.

        Args:
            batch: targets and sources.

        Returns:
            (B,) float32, mean squared difference of scaled L* plus that of scaled a* and b*, averaged over a sample's
            frames.
        """
        lightness, colour = _scaled_lab(batch.frames())
        of_lightness, of_colour = self.encoder.halves(lightness, colour)
        losses: torch.Tensor = (self.to_colour(of_lightness) - colour).square().mean(dim=(1, 2, 3))
        losses = losses + (self.to_lightness(of_colour) - lightness).square().mean(dim=(1, 2, 3))
        return losses.view(-1, len(batch.target)).mean(dim=0)
