"""The warp: sample a source image along a flow.

Convention: images (B, C, H, W); grids and flows (B, 2, H, W) in (x, y) order, normalised so that -1 and 1 are
the centres of the first and the last pixel (`align_corners=True`), as in the authors' code; positions outside
the image are clamped to its border.

Source: paper, section 3.1: s'(x, y) = s(x + dx, y + dy).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["flow_to_grid", "identity_grid", "warp"]


def identity_grid(
    height: int, width: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """The position of every pixel.

    Returns:
        (1, 2, H, W) in `dtype`, x then y, from -1 to 1.
    """
    y = torch.linspace(-1, 1, height, device=device, dtype=dtype)
    x = torch.linspace(-1, 1, width, device=device, dtype=dtype)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))[None]


def flow_to_grid(flow: torch.Tensor) -> torch.Tensor:
    """Offsets to absolute positions: the identity grid plus the flow, clamped to the image.

    Args:
        flow: (B, 2, H, W) float offsets in half-widths.

    Returns:
        (B, 2, H, W) float32 (float64 for float64 input) positions in [-1, 1].
    """
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    grid = identity_grid(flow.shape[2], flow.shape[3], flow.device, flow.dtype)
    return (grid + flow).clamp(-1, 1)


def warp(images: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Sample the source image bilinearly where the flow points, for each output pixel.

    Args:
        images: (B, C, H, W) float source images.
        flow: (B, 2, H, W) float offsets in half-widths.

    Returns:
        (B, C, H, W) in the dtype of the images.

    Raises:
        ValueError: the shapes do not match.
    """
    if images.ndim != 4 or flow.ndim != 4 or flow.shape[1] != 2 or images.shape[0] != flow.shape[0]:
        raise ValueError(
            f"expected images (B, C, H, W) and flow (B, 2, H, W); got {tuple(images.shape)} and {tuple(flow.shape)}"
        )
    grid = flow_to_grid(flow).permute(0, 2, 3, 1).to(images.dtype)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
