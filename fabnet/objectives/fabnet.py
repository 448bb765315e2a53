"""FAb-Net: reconstruct a target frame by warping source frames of the same face-track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from fabnet.models.blend import blend, source_weights
from fabnet.models.decoder import ConfidenceDecoder, FlowDecoder
from fabnet.models.encoder import Encoder
from fabnet.models.warp import warp
from fabnet.objectives.batch import Batch
from fabnet.objectives.options import ObjectiveOptions
from fabnet.objectives.ssim import dissimilarity_per_sample
from fabnet.objectives.views import seen

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
    """A target made from its sources.

    Attributes:
        images: (B, 3, H, W) float32 the warped sources blended, RGB in [0, 1].
        warped: (B, S, 3, H, W) float32 each source warped.
        flow: (B, S, 2, H, W) float32 offsets in half-widths, x then y.
        weights: (B, S, H, W) float32 share of each source in each pixel, of sum 1.
    """

    images: torch.Tensor
    warped: torch.Tensor
    flow: torch.Tensor
    weights: torch.Tensor


class FabNet(nn.Module):
    """FAb-Net, of one source or several.

    Sources and target pass the same encoder (in one batch, so batch-norm sees them all); the decoders see nothing
    but two embeddings, and predict where in the source each pixel of the target lies, and, with several sources,
    how far it can be taken from this one. A network with a confidence decoder takes any number of sources.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the encoder's first convolution.
        embedding_dim: D.
        num_sources: S in training; from 2 on there is a confidence decoder (with one source its weight is 1).
        options: see `FabNet.Options`.

    Source: paper, sections 3.1 and 3.2; L(s', t) = ||t - s'||_1.
    """

    @dataclass(kw_only=True, frozen=True)
    class Options(ObjectiveOptions):
        """The options of FAb-Net."""

        near_zero_start: bool = False
        """Start the flow decoder's last layer a hundred times smaller."""
        confidence_bound: Literal["none", "tanh"] = "none"
        """Bound of the confidences: none, as in the paper, or tanh, as in the authors' code."""
        both_ways: bool = False
        """Warp each pair's target to its source as well: two losses for two passes of the encoder. Needs one source.
        Not in the paper."""
        ssim: float = 0.0
        """Share, 0 to 1, of structural dissimilarity in the training loss; the rest is L1, and validation stays L1. Not
        in the paper."""

        def check(self, num_sources: int) -> None:
            """Check the values against each other and against the number of sources."""
            if not 0 <= self.ssim <= 1:
                raise ValueError(f"ssim must lie in 0 to 1; got {self.ssim}")
            if self.both_ways and num_sources > 1:
                raise ValueError(f"both_ways needs one source; got {num_sources}: leave one of the two out")
            if self.confidence_bound != "none" and num_sources == 1:
                raise ValueError("confidence_bound is for several sources: give sources, or leave it out")

        def architecture(self) -> dict[str, object]:
            """The bound of the confidences, where there is one."""
            return {} if self.confidence_bound == "none" else {"confidence_bound": self.confidence_bound}

    is_warping: ClassVar[bool] = True
    is_per_sample: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = True
    takes_views: ClassVar[bool] = True

    def __init__(
        self,
        size: int = 256,
        width: int = 32,
        embedding_dim: int = 256,
        *,
        num_sources: int = 1,
        options: Options | None = None,
    ) -> None:
        super().__init__()
        self.num_sources, self.options = num_sources, options or self.Options()
        self.encoder = Encoder(size, width, embedding_dim)
        self.flow_decoder = FlowDecoder(size, width, embedding_dim, near_zero_start=self.options.near_zero_start)
        self.confidence_decoder = (
            ConfidenceDecoder(size, width, embedding_dim, bound=self.options.confidence_bound)
            if num_sources > 1
            else None
        )

    def reconstruct(self, batch: Batch) -> Reconstruction:
        """Warp each source towards its target, and blend them.

        Args:
            batch: any number of sources a target; one where there is no confidence decoder.

        Returns:
            The reconstruction with what it was made of.

        Raises:
            ValueError: several sources, and no confidence decoder.
        """
        of_source, of_target = self._embed(batch)
        return self._warp(batch.sources, of_source, of_target)

    def _embed(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The (B, S, D) embeddings of the sources and the (B, D) of the targets, in one batch."""
        sources = batch.sources.flatten(0, 1)
        images = torch.cat([sources, batch.target])
        if batch.views is not None:
            images = seen(images, torch.cat([batch.views[:, 1:].flatten(0, 1), batch.views[:, 0]]))
        embeddings = self.encoder(images)
        return embeddings[: len(sources)].unflatten(0, batch.sources.shape[:2]), embeddings[len(sources) :]

    def _warp(self, sources: torch.Tensor, of_source: torch.Tensor, of_target: torch.Tensor) -> Reconstruction:
        count, num_sources, *shape = sources.shape
        sources, of_source = sources.flatten(0, 1), of_source.flatten(0, 1)
        of_target = of_target.repeat_interleave(num_sources, dim=0)
        flow = self.flow_decoder(of_source, of_target)
        warped = warp(sources, flow).view(count, num_sources, *shape)
        flow = flow.view(count, num_sources, *flow.shape[1:])
        if num_sources == 1:
            return Reconstruction(warped[:, 0], warped, flow, torch.ones_like(flow[:, :, 0]))
        if self.confidence_decoder is None:
            raise ValueError(f"this network was trained with one source, it has no confidences; got {num_sources}")
        confidence = self.confidence_decoder(of_source, of_target)
        weights = source_weights(confidence.view(count, num_sources, *confidence.shape[1:]))
        return Reconstruction(blend(warped, weights), warped, flow, weights)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample.

        Args:
            batch: as `reconstruct` takes it.

        Returns:
            (B,) float32 in [0, 1]: the mean absolute difference, in training with `ssim`'s share of dissimilarity; NaN
            where a flow is not finite.
        """
        of_source, of_target = self._embed(batch)
        if not (self.training and self.options.both_ways):
            return self._loss(self._warp(batch.sources, of_source, of_target), batch.target)
        # Twice as many pairs, of the same frames.
        sources = torch.cat([batch.sources, batch.target[:, None]])
        targets = torch.cat([batch.target, batch.sources[:, 0]])
        of_sources = torch.cat([of_source, of_target[:, None]])
        of_targets = torch.cat([of_target, of_source[:, 0]])
        return self._loss(self._warp(sources, of_sources, of_targets), targets).view(2, -1).mean(dim=0)

    def _loss(self, made: Reconstruction, target: torch.Tensor) -> torch.Tensor:
        loss = l1_per_sample(made.images, target)
        share = self.options.ssim if self.training else 0.0
        if share:
            loss = (1 - share) * loss + share * dissimilarity_per_sample(made.images, target)
        # The sampler takes a NaN position for a corner of the image: the loss would look sound, and its gradient
        # would read outside the image's memory.
        return loss.where(made.flow.isfinite().flatten(1).all(dim=1), torch.nan)
