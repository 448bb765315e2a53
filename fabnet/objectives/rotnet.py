"""The rotation baseline: predict by how many quarter turns a frame was rotated."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fabnet.models.encoder import Encoder
from fabnet.objectives.batch import Batch
from fabnet.objectives.options import ObjectiveOptions

__all__ = ["RotNet", "turned"]


def turned(images: torch.Tensor, quarters: np.ndarray) -> torch.Tensor:
    """Rotate square images anticlockwise by quarter turns.

    Args:
        images: (B, C, H, H) float.
        quarters: (B,) int64, 0 to 3; on the host, so that nothing waits for the device.

    Returns:
        (B, C, H, H) in the memory layout of the images.
    """
    result = images.clone()
    for quarter in (1, 2, 3):
        chosen = torch.from_numpy(np.flatnonzero(quarters == quarter)).to(images.device, non_blocking=True)
        result[chosen] = images[chosen].rot90(quarter, dims=(2, 3))
    return result


class RotNet(nn.Module):
    """FAb-Net's encoder, a ReLU (as at the start of FAb-Net's decoder) and a linear layer to four turns.

    Every frame of a batch, targets and sources, is seen in one turn, so as many images pass the encoder as with the
    other objectives. Turns cycle by index in the batch, so each batch holds the same number of each; the sampler
    decides which faces get which. (Gidaris et al. put all four turns of an image into a batch: four times the images.)

    Args:
        size: image height and width in pixels, a power of two.
        width: channels after the encoder's first convolution.
        embedding_dim: D.

    Source: Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting image rotations, ICLR 2018;
    paper, section 5.1.1.
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
        self.classifier = nn.Linear(embedding_dim, 4)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample.

        Args:
            batch: targets and sources.

        Returns:
            (B,) float32, cross-entropy in nats, the mean over a sample's frames; a uniform guess gives log 4 = 1.386.
        """
        frames, count = batch.frames(), len(batch.target)
        place = np.arange(len(frames), dtype=np.int64)
        quarters = (place % count + place // count) % 4
        scores = self.classifier(self.encoder(turned(frames, quarters)).relu()).float()
        wanted = torch.from_numpy(quarters).to(frames.device, non_blocking=True)
        return F.cross_entropy(scores, wanted, reduction="none").view(-1, count).mean(dim=0)
