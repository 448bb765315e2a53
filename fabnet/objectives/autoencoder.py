"""The autoencoder baseline: a frame to its embedding and back."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from fabnet.models.decoder import PictureDecoder
from fabnet.models.encoder import Encoder
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import l1_per_sample
from fabnet.objectives.options import ObjectiveOptions

__all__ = ["Autoencoder"]


class Autoencoder(nn.Module):
    """FAb-Net's encoder, and a decoder from one embedding to an image.

    Every frame of a batch, targets and sources, is encoded and decoded by itself.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the encoder's first convolution.
        embedding_dim: D.

    Source: paper, section 5.1.1.
    """

    Options = ObjectiveOptions
    num_sources: ClassVar[int] = 1
    is_warping: ClassVar[bool] = False
    is_per_sample: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = False
    takes_views: ClassVar[bool] = False

    def __init__(self, size: int = 256, width: int = 32, embedding_dim: int = 256) -> None:
        super().__init__()
        self.encoder = Encoder(size, width, embedding_dim)
        self.decoder = PictureDecoder(size, width, embedding_dim, 3)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample.

        Args:
            batch: targets and sources.

        Returns:
            (B,) float32, mean absolute difference in [0, 1], the mean over a sample's frames.
        """
        frames = batch.frames()
        losses = l1_per_sample(self.decoder(self.encoder(frames)).sigmoid(), frames)
        return losses.view(-1, len(batch.target)).mean(dim=0)
