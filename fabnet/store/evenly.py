"""Some of many things, evenly spaced."""

from __future__ import annotations

import numpy as np

__all__ = ["evenly"]


def evenly(count: int, most: int) -> np.ndarray:
    """Indices below `count`, at most `most` of them, evenly spaced from the first on.

    Returns:
        (K,) int64, ascending; all indices if there are no more than `most`.
    """
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).astype(np.int64))
