"""Maps from embeddings to numbers: linear in the embedding and in cosines of it, fitted by least squares.

Letters: N faces, D numbers of an embedding, R cosines, K outputs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Linear", "Moments", "Waves"]

NUM_WAVES, WIDTH, HEIGHT = 1000, 3.0, 5.0
"""Number of cosines; the kernel's width over the embeddings' spread; weight of a cosine beside a standardised number.
Chosen on people held out: in this way the error of yaw beyond 45 degrees falls from 6.7 to 3.9."""
AT_ONCE = 1024


class Waves(NamedTuple):
    """Cosines of embeddings as further features, which make a linear map nearly that of a Gaussian kernel."""

    directions: np.ndarray
    """(D, R)."""
    phases: np.ndarray
    """(R,)."""
    mean: np.ndarray
    """(D,) of embeddings."""
    scale: float
    """Mean standard deviation of their numbers."""

    @classmethod
    def like(cls, x: np.ndarray) -> Waves:
        """Waves for embeddings that are spread like (N, D) these."""
        rng = np.random.default_rng(0)
        mean, scale = x.mean(axis=0), float(x.std(axis=0).mean())
        directions = rng.normal(size=(x.shape[1], NUM_WAVES)) / np.sqrt(x.shape[1]) / WIDTH / scale
        return cls(directions, rng.uniform(0, 2 * np.pi, NUM_WAVES) - mean @ directions, mean, scale)

    def features(self, x: np.ndarray) -> np.ndarray:
        """(N, D) embeddings to (N, D + R) features."""
        return np.concatenate(
            [(x - self.mean) / self.scale, HEIGHT * np.cos(x @ self.directions + self.phases)], axis=1
        )

    def unfolded(self, fitted: Linear) -> Linear:
        """A map of the features as one of embeddings and cosines."""
        coef = fitted.coef[: len(self.mean)] / self.scale
        return Linear(coef, fitted.intercept - self.mean @ coef, fitted.coef[len(self.mean) :] * HEIGHT)


class Linear(NamedTuple):
    """A map: (D, K) weights of the embedding, (K,) intercepts, and (R, K) weights of `Waves`; None: without them."""

    coef: np.ndarray
    intercept: np.ndarray
    wave_coef: np.ndarray | None = None

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) embeddings to (N, K) outputs."""
        assert self.wave_coef is None
        return np.asarray(embeddings @ self.coef + self.intercept)

    def with_waves(self, embeddings: np.ndarray, waves: Waves) -> np.ndarray:
        """(N, D) embeddings to (N, K) outputs of a map that has weights of waves."""
        cosines = np.cos(embeddings @ waves.directions + waves.phases)
        return np.asarray(embeddings @ self.coef + cosines @ self.weights_of_waves(cosines.shape[1]) + self.intercept)

    def part(self, outputs: slice) -> Linear:
        """The map to some of the outputs."""
        return Linear(self.coef[:, outputs], self.intercept[outputs], self.weights_of_waves(0)[:, outputs])

    def weights_of_waves(self, count: int) -> np.ndarray:
        """(R, K) weights of the cosines; zeros for `count` of them if the map has none."""
        return np.zeros((count, self.coef.shape[1])) if self.wave_coef is None else self.wave_coef


class Moments:
    """Weighted sums over faces, from which a map is fitted; those of several groups of faces are added and subtracted.

    Args:
        total: sum of the weights.
        x: (D + R,) sum of the features.
        y: (K,) sum of the targets.
        xx: (D + R, D + R) sum of the features' products.
        xy: (D + R, K) sum of the products of features and targets.
    """

    def __init__(self, total: float, x: np.ndarray, y: np.ndarray, xx: np.ndarray, xy: np.ndarray) -> None:
        self.total, self.x, self.y, self.xx, self.xy = total, x, y, xx, xy

    @classmethod
    def of(cls, waves: Waves, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Moments:
        """The sums over (N, D) embeddings with (N, K) targets and (N,) weights."""
        size, count = sum(waves.directions.shape), y.shape[1]
        made = cls(0.0, np.zeros(size), np.zeros(count), np.zeros((size, size)), np.zeros((size, count)))
        for first in range(0, len(x), AT_ONCE):
            at = slice(first, first + AT_ONCE)
            features, weight = waves.features(x[at].astype(np.float64)), weights[at, None]
            made.total += float(weight.sum())
            made.x += (weight * features).sum(axis=0)
            made.y += (weight * y[at]).sum(axis=0)
            made.xx += (weight * features).T @ features
            made.xy += (weight * features).T @ y[at]
        return made

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.total + other.total, self.x + other.x, self.y + other.y, self.xx + other.xx, self.xy + other.xy
        )

    def __sub__(self, other: Moments) -> Moments:
        return Moments(
            self.total - other.total, self.x - other.x, self.y - other.y, self.xx - other.xx, self.xy - other.xy
        )

    def solved(self, waves: Waves, penalty: float) -> Linear:
        """The map with the least squared error.

        Args:
            waves: those of the features.
            penalty: on the weights, over the mean variance of a feature.
        """
        mean_x, mean_y = self.x / self.total, self.y / self.total
        covariance = self.xx / self.total - np.outer(mean_x, mean_x)
        penalties = (penalty * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))
        coef = np.linalg.solve(covariance + penalties, self.xy / self.total - np.outer(mean_x, mean_y))
        return waves.unfolded(Linear(coef, mean_y - mean_x @ coef))
