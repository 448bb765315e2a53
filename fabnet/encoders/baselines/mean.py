"""A constant embedding: a probe on it predicts the mean of its training faces, the lower bound of every score."""

from __future__ import annotations

import numpy as np

from fabnet.encoders.baselines.card import SMALL_SIZE, baseline_card
from fabnet.encoders.embedder import Embedder

__all__ = ["load_mean"]


def load_mean() -> Embedder:
    """Make an encoder whose embedding is one zero."""
    return Embedder(
        baseline_card("mean", SMALL_SIZE, 1), lambda images: np.zeros((len(images), 1), np.float32), "numpy"
    )
