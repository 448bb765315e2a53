"""Changes the colours that the encoder sees; the warped image keeps its own, so the loss depends on geometry alone."""

from __future__ import annotations

import torch

__all__ = ["recoloured"]

LUMA = (0.299, 0.587, 0.114)


def recoloured(images: torch.Tensor, changes: torch.Tensor) -> torch.Tensor:
    """Change the colours of images, each by its own numbers.

    Contrast about the image's mean, then brightness, then saturation about each pixel's grey, then gamma; the last
    number turns the image grey. (1, 1, 1, 0, 0) leaves an image unchanged. Not in the paper.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1].
        changes: (N, 5) float32 gains of contrast, brightness and saturation, the logarithm of gamma, 1 for grey or 0.

    Returns:
        (N, 3, H, W) float32 in [0, 1].
    """
    contrast, brightness, saturation, gamma, is_grey = changes[:, :, None, None, None].unbind(dim=1)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    made = (images - mean) * contrast + mean * brightness
    luma = made.new_tensor(LUMA).view(1, 3, 1, 1)
    grey = (made * luma).sum(dim=1, keepdim=True)
    made = (grey + (made - grey) * saturation).clamp(0, 1) ** gamma.exp()
    return torch.where(is_grey > 0, (made * luma).sum(dim=1, keepdim=True), made)
