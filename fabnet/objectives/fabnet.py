"""FAb-Net: reconstruct a target frame by warping source frames of the same face-track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from fabnet.models.blend import blend, source_weights
from fabnet.models.decoder import ConfidenceDecoder, FlowDecoder
from fabnet.models.encoder import Encoder
from fabnet.models.looks import TwoLooks, looks_at
from fabnet.models.model_folder import input_size
from fabnet.models.warp import warp
from fabnet.objectives.batch import Batch
from fabnet.objectives.motion import motion_weights
from fabnet.objectives.options import ObjectiveOptions
from fabnet.objectives.ssim import dissimilarity_per_sample
from fabnet.objectives.views import seen

__all__ = ["FabNet", "Reconstruction", "l1_per_sample"]


def l1_per_sample(images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute difference of each sample.

    The paper's L1 norm is a sum over pixels; the mean over C, H, W gives a learning rate the same meaning at
    every image size, as in the authors' code.

    Args:
        images: (B, C, H, W) float.
        targets: (B, C, H, W) float.
        weights: (B, 1, H, W) float of mean 1 in each sample; None: all pixels count alike, as in the paper.

    Returns:
        (B,) float32.
    """
    difference = (images.float() - targets.float()).abs()
    return (difference if weights is None else difference * weights).mean(dim=(1, 2, 3))


class Reconstruction(NamedTuple):
    """A target reconstructed from its sources.

    Attributes:
        images: (B, 3, H, W) float32 blend of the warped sources, RGB in [0, 1].
        warped: (B, S, 3, H, W) float32 warped sources.
        flow: (B, S, 2, H, W) float32 offsets in half-widths, x then y.
        weights: (B, S, H, W) float32 share of each source in each pixel, summing to 1.
    """

    images: torch.Tensor
    warped: torch.Tensor
    flow: torch.Tensor
    weights: torch.Tensor


class FabNet(nn.Module):
    """FAb-Net with one source or several.

    Sources and targets pass through the same encoder in one batch, so batch-norm sees them all. The decoders see only
    pairs of embeddings, and predict where in the source each target pixel lies and, with several sources, how well it
    can be taken from each. A network with a confidence decoder takes any number of sources.

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the encoder's first convolution.
        embedding_dim: D.
        num_sources: S in training; from 2 on there is a confidence decoder (a single source has weight 1).
        options: see `FabNet.Options`.

    Source: paper, sections 3.1 and 3.2; L(s', t) = ||t - s'||_1.
    """

    @dataclass(kw_only=True, frozen=True)
    class Options(ObjectiveOptions):
        """The options of FAb-Net."""

        near_zero_start: bool = False
        """Scale the flow decoder's last layer by 0.01 at the start."""
        confidence_bound: Literal["none", "tanh"] = "none"
        """Bound of the confidences: none, as in the paper, or tanh, as in the authors' code."""
        both_ways: bool = False
        """Also warp each target to its source: two losses for two encoder passes. Needs one source. Not in the
        paper."""
        ssim: float = 0.0
        """Share, 0 to 1, of structural dissimilarity in the training loss; the rest is L1. Validation uses L1 alone.
        Not in the paper."""
        motion: float = 0.0
        """Share, 0 or more and below 1, of the training loss's weights that follow how much source and target differ
        around a pixel, so that what moves counts for more than what stays. Needs one source. Not in the paper."""
        looks: Literal[1, 2] = 1
        """2: two encoders look at the face, at the whole window and closer at the two thirds in its middle, each at the
        network's size; each gives half of the embedding, and the loss compares both. Not in the paper."""

        def check(self, num_sources: int) -> None:
            """Check the values against each other and against the number of sources."""
            if not 0 <= self.ssim <= 1:
                raise ValueError(f"ssim must lie in 0 to 1; got {self.ssim}")
            if not 0 <= self.motion < 1:
                raise ValueError(f"motion must be 0 or more and less than 1; got {self.motion}")
            if self.motion and num_sources > 1:
                raise ValueError(f"motion needs one source; got {num_sources}: drop one of the two options")
            if self.both_ways and num_sources > 1:
                raise ValueError(f"both_ways needs one source; got {num_sources}: drop one of the two options")
            if self.confidence_bound != "none" and num_sources == 1:
                raise ValueError("confidence_bound needs several sources: set the number of sources, or leave it out")
            if not 1 <= self.looks <= 2:
                raise ValueError(f"looks must be 1 or 2; got {self.looks}")

        def architecture(self) -> dict[str, object]:
            """The bound of the confidences and the number of looks, where they are not the paper's."""
            own = {"confidence_bound": self.confidence_bound, "looks": self.looks}
            return {name: value for name, value in own.items() if value not in ("none", 1)}

        def input_size(self, size: int) -> int:
            """See `ObjectiveOptions.input_size`."""
            return input_size(size, self.looks)

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
        encoder = Encoder if self.options.looks == 1 else TwoLooks
        self.encoder: nn.Module = encoder(size, width, embedding_dim)
        self.flow_decoder = FlowDecoder(size, width, embedding_dim, near_zero_start=self.options.near_zero_start)
        self.confidence_decoder = (
            ConfidenceDecoder(size, width, embedding_dim, bound=self.options.confidence_bound)
            if num_sources > 1
            else None
        )

    def reconstruct(self, batch: Batch) -> Reconstruction:
        """Warp each source towards its target, and blend them.

        Args:
            batch: any number of sources per target; one if there is no confidence decoder.

        Returns:
            The reconstruction with its warped sources, flow and weights.

        Raises:
            ValueError: several sources without a confidence decoder.
        """
        of_source, of_target = self._embed(batch)
        return self._warp(batch.sources, of_source, of_target)

    def _embed(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed sources and targets in one batch: (B, S, D) and (B, D)."""
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
        flow = _enlarged(self.flow_decoder(of_source, of_target), shape[-1])
        warped = warp(sources, flow).view(count, num_sources, *shape)
        flow = flow.view(count, num_sources, *flow.shape[1:])
        if num_sources == 1:
            return Reconstruction(warped[:, 0], warped, flow, torch.ones_like(flow[:, :, 0]))
        if self.confidence_decoder is None:
            raise ValueError(f"this network was trained with one source and cannot blend several; got {num_sources}")
        confidence = self.confidence_decoder(of_source, of_target)
        weights = source_weights(_enlarged(confidence.view(count, num_sources, *confidence.shape[1:]), shape[-1]))
        return Reconstruction(blend(warped, weights), warped, flow, weights)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample.

        Args:
            batch: as in `reconstruct`.

        Returns:
            (B,) float32 in [0, 1]: the mean absolute difference, in training mixed with dissimilarity by `ssim`,
            weighted by `motion`, and averaged over both looks, if there are two; NaN where a flow is not finite.
        """
        of_source, of_target = self._embed(batch)
        if not (self.training and self.options.both_ways):
            return self._loss(self._warp(batch.sources, of_source, of_target), batch.sources, batch.target)
        # Twice as many pairs from the same frames.
        sources = torch.cat([batch.sources, batch.target[:, None]])
        targets = torch.cat([batch.target, batch.sources[:, 0]])
        of_sources = torch.cat([of_source, of_target[:, None]])
        of_targets = torch.cat([of_target, of_source[:, 0]])
        return self._loss(self._warp(sources, of_sources, of_targets), sources, targets).view(2, -1).mean(dim=0)

    def _loss(self, made: Reconstruction, sources: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        share = self.options.motion
        if not self.training:
            loss = l1_per_sample(made.images, target)
        else:
            weights = motion_weights(sources[:, 0], target, share) if share else None
            if self.options.looks == 1:
                loss = self._difference(made.images, target, weights)
            else:  # a pixel of the middle is in both looks, so it counts about three times as much as one outside
                at = (None, None) if weights is None else looks_at(weights)
                both = zip(looks_at(made.images), looks_at(target), at, strict=True)
                loss = torch.stack([self._difference(*look) for look in both]).mean(dim=0)
        # The sampler reads a NaN position as a corner of the image, so the loss would look sound while its gradient
        # reads outside the image's memory.
        return loss.masked_fill(~made.flow.isfinite().flatten(1).all(dim=1), torch.nan)

    def _difference(self, images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """(B,) L1, mixed with dissimilarity by `ssim`, both weighted by (B, 1, H, W) `weights` if there are any."""
        share = self.options.ssim
        if weights is not None:
            weights = weights / weights.mean(dim=(1, 2, 3), keepdim=True)
        loss = l1_per_sample(images, targets, weights)
        return loss if not share else (1 - share) * loss + share * dissimilarity_per_sample(images, targets, weights)


def _enlarged(maps: torch.Tensor, size: int) -> torch.Tensor:
    """(B, C, H, W) maps at the size of the images, if these are larger."""
    if maps.shape[-1] == size:
        return maps
    return F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=True)
