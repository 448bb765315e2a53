"""The input of an objective."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

__all__ = ["Batch"]


class Batch(NamedTuple):
    """Targets and their sources; each sample comes from one track.

    Attributes:
        target: (B, 3, H, W) float32, RGB in [0, 1].
        sources: (B, S, 3, H, W) float32, RGB in [0, 1].
        views: (B, S + 1, 13) float32, the target first: how the encoder sees each image, see
            `fabnet.objectives.views`; None: unchanged.
    """

    target: torch.Tensor
    sources: torch.Tensor
    views: torch.Tensor | None = None

    def at(self, indices: torch.Tensor) -> Batch:
        """The samples at these indices, (K,) int64."""
        views = None if self.views is None else self.views[indices]
        return Batch(self.target[indices], self.sources[indices], views)

    def frames(self) -> torch.Tensor:
        """All images: (B (S + 1), 3, H, W), the targets, then every sample's first source, second source and so on."""
        return torch.cat([self.target, *self.sources.unbind(dim=1)])

    @classmethod
    def from_frames(
        cls, frames: np.ndarray | torch.Tensor, device: torch.device, views: np.ndarray | None = None
    ) -> Batch:
        """Move frames from the loader onto a device.

        Args:
            frames: (B, S + 1, H, W, 3) uint8 RGB, the target first.
            device: device of the batch.
            views: the views of a `Draw`.

        Returns:
            The batch; each image stays channels-last in memory.
        """
        images = torch.as_tensor(frames).to(device, non_blocking=True).permute(0, 1, 4, 2, 3).float().div_(255)
        seen = None if views is None else torch.from_numpy(views).to(device, non_blocking=True)
        return cls(target=images[:, 0], sources=images[:, 1:], views=seen)
