"""Colour: sRGB to CIE L*a*b*, for the split-brain baseline.

Written by hand, because it converts batches of tensors on the training device; OpenCV and scikit-image convert arrays
on the CPU, and kornia would be a new requirement of training.
"""

from __future__ import annotations

import torch

__all__ = ["rgb_to_lab"]

TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""Linear sRGB to XYZ (D65)."""
WHITE = (0.950456, 1.0, 1.088754)


def rgb_to_lab(images: torch.Tensor) -> torch.Tensor:
    """sRGB to L*a*b* under D65.

    Args:
        images: (B, 3, H, W) float, sRGB in [0, 1].

    Returns:
        (B, 3, H, W) float32: L* in 0..100, a* and b* in about -110..110.
    """
    images = images.float()
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055).clamp_min(1e-8) ** 2.4, images / 12.92)
    red, green, blue = linear.unbind(dim=1)
    # Sums instead of a matrix product, which autocast would run in half precision.
    xyz = torch.stack(
        [(r * red + g * green + b * blue) / white for (r, g, b), white in zip(TO_XYZ, WHITE, strict=True)], 1
    )
    curved = torch.where(xyz > 216 / 24389, xyz.clamp_min(1e-8) ** (1 / 3), (24389 / 27 * xyz + 16) / 116)
    x, y, z = curved.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
