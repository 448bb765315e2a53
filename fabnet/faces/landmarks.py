"""Points of the face in iBUG's order of 68."""

from __future__ import annotations

import numpy as np

__all__ = ["five_of_68"]

FIVE = ((36, 42), (42, 48), (30, 31), (48, 49), (54, 55))
"""First index and end of the points whose mean is the eye on the image's left, the other eye, the nose, the mouth's
corner on the image's left, the other one."""


def five_of_68(points: np.ndarray) -> np.ndarray:
    """Five points from 68: the eye centres (left in the image first), nose tip and mouth corners.

    Args:
        points: (..., 68, 2) float.

    Returns:
        (..., 5, 2) in the same coordinates and dtype.
    """
    return np.stack([points[..., first:stop, :].mean(axis=-2) for first, stop in FIVE], axis=-2)
