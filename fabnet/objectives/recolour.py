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
    contrast, brightness, saturation, gamma, is_grey = changes[:, :, None, None].unbind(dim=1)
    planes = images.contiguous().flatten(2)
    own = torch.eye(3, device=images.device)
    luma = torch.tensor(LUMA).to(images, non_blocking=True).expand(3, 3)
    mean = planes.mean(dim=(1, 2), keepdim=True)
    with torch.autocast(images.device.type, enabled=False):
        # All but gamma is linear in a pixel's three numbers: a small matrix per image, before it and after it.
        made = torch.baddbmm(mean * (brightness - contrast), contrast * torch.lerp(luma, own, saturation), planes)
        made = made.clamp_(0, 1).pow_(gamma.exp())
        made = torch.baddbmm(made.new_zeros(1), torch.where(is_grey > 0, luma, own), made)
    return made.view(images.shape)
