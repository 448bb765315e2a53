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
SMALLEST_SHARE = 1e-3
"""Of the largest standard deviation: directions with less hardly ever change, and are left out."""


def whitened(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Centre, turn to principal components and bring each to variance 1.

    Args:
        features: (N, D) float.
        training: places of the faces that the mean and the components are of.

    Returns:
        (N, C) float32; C is 256 or less.
    """
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, features.shape[1], len(training) - 1)
    with np.errstate(invalid="ignore"):  # features that never change have no shares of a variance
        fitted = PCA(count, random_state=0).fit(features[training].astype(np.float64))
    spread = np.sqrt(fitted.explained_variance_)
    kept = spread > SMALLEST_SHARE * spread.max()
    return np.asarray(fitted.transform(features)[:, kept] / spread[kept], dtype=np.float32)


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
