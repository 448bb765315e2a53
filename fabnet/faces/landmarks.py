"""Points of the face: five from iBUG's 68, and the map that brings points where a network expects them."""

from __future__ import annotations

import numpy as np

__all__ = ["five_of_68", "similarity_to"]

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


def similarity_to(targets: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring points nearest to their targets, by least squares.

    Args:
        targets: (P, 2) float.
        points: (P, 2) float.

    Returns:
        (2, 3) float64, from the points' coordinates to the targets'.
    """
    # With complex numbers, the best turn and scale is one quotient.
    to, from_ = (each.astype(np.float64)[:, 0] + 1j * each.astype(np.float64)[:, 1] for each in (targets, points))
    centred = from_ - from_.mean()
    turn = np.vdot(centred, to - to.mean()) / max(float(np.vdot(centred, centred).real), 1e-6)
    shift = to.mean() - turn * from_.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
