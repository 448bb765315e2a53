"""The decoders: two embeddings to a map over the target's pixels, a flow or a confidence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from fabnet.models.encoder import num_halvings

__all__ = ["ConfidenceDecoder", "Decoder", "FlowDecoder"]


class Decoder(nn.Module):
    """Source and target embedding to an image-sized map, before any squashing.

    log2(size) blocks of ReLU, bilinear x2, convolution 3x3 and batch-norm (the last block has no norm).
    The first operation is a ReLU: negative coordinates of an embedding never reach the convolutions. At
    256 px, width 32 and two output channels these are the 3,340,514 parameters of the authors' code.

    Args:
        size: height and width of the map in pixels, a power of two.
        width: channels before the last block.
        embedding_dim: D; the input has 2 D channels.
        out_channels: channels of the map.

    Convention: the bilinear x2 has `align_corners=False` (the authors' PyTorch of 2018 aligned corners).

    Source: paper, section 3.1 (the layers are those of the authors' released code).
    """

    def __init__(self, size: int = 256, width: int = 32, embedding_dim: int = 256, out_channels: int = 2) -> None:
        super().__init__()
        blocks = num_halvings(size)
        channels = [2 * embedding_dim] + [min(width * 2**i, width * 8) for i in reversed(range(blocks - 1))]
        channels.append(out_channels)
        layers: list[nn.Module] = []
        for i in range(blocks):
            layers.append(nn.ReLU())
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
            layers.append(nn.Conv2d(channels[i], channels[i + 1], kernel_size=3, padding=1))
            if i < blocks - 1:
                layers.append(nn.BatchNorm2d(channels[i + 1]))
        self.layers = nn.Sequential(*layers)

    @property
    def last_conv(self) -> nn.Conv2d:
        """The convolution that makes the map."""
        layer = self.layers[-1]
        assert isinstance(layer, nn.Conv2d)
        return layer

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Decode pairs of embeddings.

        Args:
            source: (B, D) embeddings of the source frames.
            target: (B, D) embeddings of the target frames.

        Returns:
            (B, out_channels, size, size), unbounded.
        """
        return self.layers(torch.cat([source, target], dim=1)[:, :, None, None])  # type: ignore[no-any-return]


class FlowDecoder(Decoder):
    """The decoder whose map is a flow: where in the source each target pixel is taken from.

    Args:
        size: height and width in pixels, a power of two.
        width: channels before the last block.
        embedding_dim: D.
        near_zero_start: start the last convolution a hundred times smaller, so that training sets out
            from the unwarped source. Not in the paper.
    """

    def __init__(
        self, size: int = 256, width: int = 32, embedding_dim: int = 256, *, near_zero_start: bool = False
    ) -> None:
        super().__init__(size, width, embedding_dim, out_channels=2)
        if near_zero_start:
            with torch.no_grad():
                self.last_conv.weight.mul_(0.01)
                self.last_conv.bias.zero_()  # type: ignore[union-attr]

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Decode pairs of embeddings into flows.

        Args:
            source: (B, D) embeddings of the source frames.
            target: (B, D) embeddings of the target frames.

        Returns:
            (B, 2, size, size) float32 offsets (x, y) in half-widths of the image, in (-1, 1) through a tanh,
            to add to the identity grid. (The paper speaks of pixels; the authors' code does this.)
        """
        return torch.tanh(super().forward(source, target).float())


class ConfidenceDecoder(Decoder):
    """The decoder whose map is a confidence: how far each target pixel can be taken from this source.

    At 256 px and width 32 it has the 3,340,225 parameters of the authors' code.

    Args:
        size: height and width in pixels, a power of two.
        width: channels before the last block.
        embedding_dim: D.
        bound: "none", as the paper has it; "tanh", as the authors' code, in which one source outweighs another by
            e^2 at most.

    Source: paper, section 3.2.
    """

    def __init__(
        self, size: int = 256, width: int = 32, embedding_dim: int = 256, *, bound: Literal["none", "tanh"] = "none"
    ) -> None:
        super().__init__(size, width, embedding_dim, out_channels=1)
        self.bound = bound

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Decode pairs of embeddings into confidences.

        Args:
            source: (B, D) embeddings of the source frames.
            target: (B, D) embeddings of the target frames.

        Returns:
            (B, size, size) float32, the logarithm of a weight up to a constant: compare those of one target only.
        """
        confidence = super().forward(source, target)[:, 0].float()
        return torch.tanh(confidence) if self.bound == "tanh" else confidence
