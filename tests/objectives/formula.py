"""The formula of structural similarity, term by term, for gradients by autograd."""

from __future__ import annotations

import torch

__all__ = ["similarity"]


def similarity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """SSIM of each 3 x 3 window inside the images: (B, C, H, W) float64 twice to (B, C, H - 2, W - 2)."""

    def mean(values: torch.Tensor) -> torch.Tensor:
        return values.unfold(2, 3, 1).unfold(3, 3, 1).mean(dim=(4, 5))

    covariance = mean(a * b) - mean(a) * mean(b)
    variance = mean(a**2) - mean(a) ** 2 + mean(b**2) - mean(b) ** 2
    above = (2 * mean(a) * mean(b) + 1e-4) * (2 * covariance + 9e-4)
    return above / ((mean(a) ** 2 + mean(b) ** 2 + 1e-4) * (variance + 9e-4))
