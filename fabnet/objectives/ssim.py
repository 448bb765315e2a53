"""Structural dissimilarity: how far two images differ once local brightness and contrast are normalised.

Written by hand, because it is ten lines, and a library (torchmetrics, kornia) would be a new requirement of training.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["dissimilarity_per_sample"]

C1, C2 = 0.01**2, 0.03**2
WINDOW = 3


def dissimilarity_per_sample(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(1 - SSIM) / 2 of each sample, the mean over channels and all 3 x 3 windows inside the image.

    Args:
        images: (B, C, H, W) float in [0, 1].
        targets: (B, C, H, W) float in [0, 1].

    Returns:
        (B,) float32 in [0, 1].

    Source:
        Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, with means over
        3 x 3 pixels instead of Gaussian ones, as in photometric losses since Godard et al., CVPR 2017. Not in the
        paper.
    """
    a, b = images.float(), targets.float()
    mean_a, mean_b = _local_mean(a), _local_mean(b)
    var_a, var_b = _local_mean(a * a) - mean_a**2, _local_mean(b * b) - mean_b**2
    covariance = _local_mean(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    similarity = similarity / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))
    return ((1 - similarity) / 2).clamp(0, 1).mean(dim=(1, 2, 3))


def _local_mean(images: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(images, WINDOW, stride=1)
