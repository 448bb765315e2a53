"""What is made of an embedding before the cosine: the activation, whitening.

Letters: N faces, D features, C components.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["VARIANTS", "Variant", "applied", "whitened"]

Variant = Literal["raw", "relu", "whitened", "relu-whitened"]
VARIANTS: tuple[Variant, ...] = ("raw", "relu", "whitened", "relu-whitened")
"""As it is; after the ReLU that the decoder begins with; each of them whitened."""
COMPONENTS = 256
SMALLEST_SHARE = 1e-6
"""Of the largest variance: directions with less are numbers that hardly ever change, and are left out."""


def whitened(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Centre, turn to principal components and bring each to variance 1.

    Args:
        features: (N, D) float.
        training: places of the faces that the mean and the components are of.

    Returns:
        (N, C) float32; C is 256 or less.
    """
    centred = features.astype(np.float64) - features[training].mean(axis=0, dtype=np.float64)
    _, sizes, components = np.linalg.svd(centred[training], full_matrices=False)
    variances = sizes**2 / len(training)
    kept = np.flatnonzero(variances > SMALLEST_SHARE * variances[0])[:COMPONENTS]
    return np.asarray(centred @ components[kept].T / np.sqrt(variances[kept]), dtype=np.float32)


def applied(variant: Variant, features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """An embedding in a variant.

    Args:
        variant: which one.
        features: (N, D) float, before any activation.
        training: places of the faces that a whitening is fitted on.

    Returns:
        (N, C) float32.
    """
    active = np.maximum(features, 0) if variant in ("relu", "relu-whitened") else features
    return whitened(active, training) if variant in ("whitened", "relu-whitened") else active
