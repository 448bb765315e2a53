"""Blends several warped sources into one image, by per-pixel confidence."""

from __future__ import annotations

import torch

__all__ = ["blend", "source_weights"]


def source_weights(confidence: torch.Tensor) -> torch.Tensor:
    """The share of each source in each pixel: a soft-max over the sources, stable for confidences of any size.

    Args:
        confidence: (B, S, H, W) float.

    Returns:
        (B, S, H, W) float32 (float64 for float64 input), in [0, 1], summing to 1 over the sources.

    Source: paper, section 3.2; its formula misplaces the exponent of the denominator.
    """
    return confidence.softmax(dim=1, dtype=torch.promote_types(confidence.dtype, torch.float32))


def blend(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weigh the warped sources and add them up.

    Args:
        images: (B, S, C, H, W) float warped sources.
        weights: (B, S, H, W) float, from `source_weights`.

    Returns:
        (B, C, H, W) in the dtype of the weights.

    Raises:
        ValueError: the shapes do not match.
    """
    if images.ndim != 5 or weights.shape != (*images.shape[:2], *images.shape[3:]):
        raise ValueError(
            f"expected images (B, S, C, H, W) and weights (B, S, H, W); got {tuple(images.shape)} and "
            f"{tuple(weights.shape)}"
        )
    return (images * weights[:, :, None]).sum(dim=1)
