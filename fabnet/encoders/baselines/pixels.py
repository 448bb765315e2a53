"""Raw pixels, as a baseline without any network."""

from __future__ import annotations

import numpy as np

from fabnet.encoders.baselines.card import baseline_card
from fabnet.encoders.embedder import Embedder

__all__ = ["PCA_COMPONENTS", "load_pixels"]

GRID = 32
PCA_COMPONENTS = 256
"""Principal components that probes take, as many as FAb-Net's embedding has, so that the two are comparable."""


def load_pixels() -> Embedder:
    """Make an encoder of the preset small's window at 32 x 32: 3,072 numbers in [0, 1], row by row, RGB.

    Probes take their first 256 principal components (`Embedder.pca`), fitted on their training faces.
    """
    card = baseline_card("pixels", GRID, 3 * GRID**2)

    def encode(images: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(len(images), -1)

    return Embedder(card, encode, "numpy", pca=PCA_COMPONENTS)
