"""Transforms of an embedding before the cosine: activation and whitening.

Letters: N faces, D features, C components.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["VARIANTS", "Variant", "applied", "whitened"]

Variant = Literal["raw", "relu", "whitened", "relu-whitened"]
VARIANTS: tuple[Variant, ...] = ("raw", "relu", "whitened", "relu-whitened")
"""Unchanged; after the decoder's first ReLU; each of them whitened."""
COMPONENTS = 256
SMALLEST_SHARE = 1e-3
"""Share of the largest standard deviation below which a direction is dropped, as it hardly varies."""


def whitened(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Centre, rotate to principal components and scale each to variance 1.

    Args:
        features: (N, D) float.
        training: indices of the faces that define the mean and the components.

    Returns:
        (N, C) float32; C is 256 or less.
    """
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, features.shape[1], len(training) - 1)
    with np.errstate(invalid="ignore"):  # constant features have an undefined explained variance ratio
        fitted = PCA(count, random_state=0).fit(features[training].astype(np.float64))
    spread = np.sqrt(fitted.explained_variance_)
    kept = spread > SMALLEST_SHARE * spread.max()
    return np.asarray(fitted.transform(features)[:, kept] / spread[kept], dtype=np.float32)


def applied(variant: Variant, features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Apply a variant to an embedding.

    Args:
        variant: the variant.
        features: (N, D) float, before any activation.
        training: indices of the faces that a whitening is fitted on.

    Returns:
        (N, C) float32.
    """
    active = np.maximum(features, 0) if variant in ("relu", "relu-whitened") else features
    return whitened(active, training) if variant in ("whitened", "relu-whitened") else active
