"""Ridge regression in closed form, on standardised features."""

from __future__ import annotations

import numpy as np

from fabnet.errors import InputError

__all__ = ["Ridge"]


class Ridge:
    """Linear regression with a quadratic penalty.

    Args:
        penalty: times the number of samples, on the squared weights of standardised features.

    Attributes:
        mean_: (D,) of the features.
        scale_: (D,) standard deviation of the features; 1 where a feature never varies.
        weights_: (D, K).
        intercept_: (K,).
    """

    def __init__(self, penalty: float = 1e-3) -> None:
        self.penalty = penalty

    def fit(self, features: np.ndarray, targets: np.ndarray) -> Ridge:
        """Fit.

        Args:
            features: (N, D) float.
            targets: (N, K) float.

        Raises:
            InputError: fewer than two samples, or lengths that do not fit.
        """
        if len(features) < 2 or len(features) != len(targets):
            raise InputError(f"a probe needs two samples or more; got {len(features)} features, {len(targets)} targets")
        self.mean_ = features.mean(axis=0)
        scale = features.std(axis=0)
        self.scale_ = np.where(scale > 1e-8, scale, 1.0)
        self.intercept_ = targets.mean(axis=0)
        inputs = self._standardised(features)
        gram = inputs.T @ inputs + self.penalty * len(inputs) * np.eye(inputs.shape[1])
        self.weights_ = np.linalg.solve(gram, inputs.T @ (targets - self.intercept_))
        return self

    def _standardised(self, features: np.ndarray) -> np.ndarray:
        return np.asarray((features.astype(np.float64) - self.mean_) / self.scale_)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict: (N, D) float to (N, K) float64."""
        return np.asarray(self._standardised(features) @ self.weights_ + self.intercept_)
