"""A limited number of indices, evenly spaced."""

from __future__ import annotations

import numpy as np

__all__ = ["evenly"]


def evenly(count: int, most: int) -> np.ndarray:
    """At most `most` indices below `count`, evenly spaced from 0 on.

    Returns:
        (K,) int64, ascending; all indices if `count` is at most `most`.
    """
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).astype(np.int64))
