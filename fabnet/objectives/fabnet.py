"""FAb-Net: reconstruct a target frame by warping a source frame of the same face-track."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from fabnet.models.decoder import FlowDecoder
from fabnet.models.encoder import Encoder
from fabnet.models.warp import warp
from fabnet.objectives.batch import Batch

__all__ = ["FabNet", "Reconstruction", "l1_per_sample"]


def l1_per_sample(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of each sample.

    The paper's L1 norm is a sum over pixels; the mean over C, H, W makes a learning rate mean the same at
    every image size, as the authors' code has it.

    Args:
        images: (B, C, H, W) float.
        targets: (B, C, H, W) float.

    Returns:
        (B,) float32.
    """
    return (images.float() - targets.float()).abs().mean(dim=(1, 2, 3))


class Reconstruction(NamedTuple):
    """A target made from its source.

    Attributes:
        images: (B, 3, H, W) float32 the warped source, RGB in [0, 1].
        flow: (B, 2, H, W) float32 offsets in half-widths, x then y.
    """

    images: torch.Tensor
    flow: torch.Tensor


class FabNet(nn.Module):
    """The single-source FAb-Net.

    Source and target pass the same encoder (in one batch, so batch-norm sees both); the decoder sees nothing
    but the two embeddings and predicts where in the source each pixel of the target lies.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the encoder's first convolution.
        embedding_dim: D.
        near_zero_start: see `FlowDecoder`.

    Source: paper, section 3.1; L(s', t) = ||t - s'||_1.
    """

    num_sources = 1

    def __init__(
        self, size: int = 256, width: int = 32, embedding_dim: int = 256, *, near_zero_start: bool = False
    ) -> None:
        super().__init__()
        self.encoder = Encoder(size, width, embedding_dim)
        self.flow_decoder = FlowDecoder(size, width, embedding_dim, near_zero_start=near_zero_start)

    def reconstruct(self, batch: Batch) -> Reconstruction:
        """Warp each source towards its target.

        Args:
            batch: with one source a target.

        Returns:
            The reconstruction with its flow.
        """
        source = batch.sources[:, 0]
        source_embedding, target_embedding = self.encoder(torch.cat([source, batch.target])).chunk(2)
        flow = self.flow_decoder(source_embedding, target_embedding)
        return Reconstruction(warp(source, flow), flow)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample.

        Args:
            batch: with one source a target.

        Returns:
            (B,) float32, mean absolute difference in [0, 1]; NaN where the flow is not finite.
        """
        made = self.reconstruct(batch)
        loss = l1_per_sample(made.images, batch.target)
        # The sampler takes a NaN position for a corner of the image: the loss would look sound, and its gradient
        # would read outside the image's memory.
        return loss.where(made.flow.isfinite().all(dim=3).all(dim=2).all(dim=1), torch.nan)
