"""The decoders: one embedding or a pair to an image-sized map (a flow, a confidence or an image)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from fabnet.models.encoder import num_halvings
from fabnet.models.upsample_conv import UpsampleConvs

__all__ = ["ConfidenceDecoder", "FlowDecoder", "PictureDecoder", "decoder_layers"]


def decoder_layers(size: int, width: int, code_dim: int, out_channels: int) -> UpsampleConvs:
    """The layers from a code (one embedding, or two concatenated) to an image-sized map, without a final activation.

    log2(size) blocks of ReLU, bilinear x2 upsampling, 3x3 convolution and batch-norm (none in the last block). The ReLU
    comes first, so negative coordinates of an embedding never reach the convolutions. At 256 px, width 32, a code of
    512 and two output channels, the 3,340,514 parameters match the authors' code.

    Args:
        size: height and width of the map in pixels, a power of two.
        width: channels before the last block.
        code_dim: length of the code.
        out_channels: channels of the map.

    Returns:
        (B, code_dim, 1, 1) to (B, out_channels, size, size), unbounded.

    Convention: the bilinear x2 upsampling has `align_corners=False`. The authors' code leaves it to PyTorch, whose
    default changed from True to False in 2018, between 0.3 and 0.4; which one their build had is not known.

    Source: paper, section 3.1 (the layers are those of the authors' released code).
    """
    blocks = num_halvings(size)
    channels = [code_dim] + [min(width * 2**i, width * 8) for i in reversed(range(blocks - 1))] + [out_channels]
    layers: list[nn.Module] = []
    for i in range(blocks):
        layers.append(nn.ReLU())
        layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        layers.append(nn.Conv2d(channels[i], channels[i + 1], kernel_size=3, padding=1))
        if i < blocks - 1:
            layers.append(nn.BatchNorm2d(channels[i + 1]))
    return UpsampleConvs(*layers)


class FlowDecoder(nn.Module):
    """The decoder whose map is a flow: where in the source each target pixel is taken from.

    Args:
        size: height and width in pixels, a power of two.
        width: channels before the last block.
        embedding_dim: D.
        near_zero_start: whether to scale the last convolution's weights by 0.01, so that training starts from the
            unwarped source. Not in the paper.
    """

    def __init__(
        self, size: int = 256, width: int = 32, embedding_dim: int = 256, *, near_zero_start: bool = False
    ) -> None:
        super().__init__()
        self.layers = decoder_layers(size, width, 2 * embedding_dim, out_channels=2)
        if near_zero_start:
            last = self.layers[-1]
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            with torch.no_grad():
                last.weight.mul_(0.01)
                last.bias.zero_()

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Decode pairs of embeddings into flows.

        Args:
            source: (B, D) embeddings of the source frames.
            target: (B, D) embeddings of the target frames.

        Returns:
            (B, 2, size, size) float32 offsets (x, y) in half-widths of the image, in (-1, 1) through a tanh,
            to be added to the identity grid. (As in the authors' code; the paper gives pixels.)
        """
        pair = torch.cat([source, target], dim=1)
        return torch.tanh(self.layers(pair[:, :, None, None]).float())


class ConfidenceDecoder(nn.Module):
    """The decoder whose map is a confidence: how well each target pixel can be taken from this source.

    At 256 px and width 32 its 3,340,225 parameters match the authors' code.

    Args:
        size: height and width in pixels, a power of two.
        width: channels before the last block.
        embedding_dim: D.
        bound: "none", as in the paper, or "tanh", as in the authors' code, which lets one source outweigh another by
            e^2 at most.

    Source: paper, section 3.2.
    """

    def __init__(
        self, size: int = 256, width: int = 32, embedding_dim: int = 256, *, bound: Literal["none", "tanh"] = "none"
    ) -> None:
        super().__init__()
        self.layers = decoder_layers(size, width, 2 * embedding_dim, out_channels=1)
        self.bound = bound

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Decode pairs of embeddings into confidences.

        Args:
            source: (B, D) embeddings of the source frames.
            target: (B, D) embeddings of the target frames.

        Returns:
            (B, size, size) float32, the logarithm of a weight up to a constant: comparable within one target only.
        """
        pair = torch.cat([source, target], dim=1)
        confidence: torch.Tensor = self.layers(pair[:, :, None, None])[:, 0].float()
        return torch.tanh(confidence) if self.bound == "tanh" else confidence


class PictureDecoder(nn.Module):
    """The baselines' decoder: an embedding to the channels of an image.

    Args:
        size: height and width in pixels, a power of two.
        width: channels before the last block.
        code_dim: length of the embedding.
        out_channels: channels of the image.

    Source: paper, section 5.1.1: "the same architecture as FAb-Net".
    """

    def __init__(self, size: int, width: int, code_dim: int, out_channels: int) -> None:
        super().__init__()
        self.layers = decoder_layers(size, width, code_dim, out_channels)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Decode embeddings.

        Args:
            code: (B, code_dim) float.

        Returns:
            (B, out_channels, size, size) float32, unbounded.
        """
        return self.layers(code[:, :, None, None]).float()  # type: ignore[no-any-return]
