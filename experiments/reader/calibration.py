"""Probabilities that hold: the scale of log-odds, fitted on people that the map has not seen, and how well it holds."""

from __future__ import annotations

import numpy as np
from linear import Linear

from fabnet.encoders.readings import softmax

NUM_BINS, RESAMPLES = 10, 1000


def platt(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Factor and offset with which scores are log-odds (Platt, Probabilistic outputs for SVMs, 1999)."""
    from sklearn.linear_model import LogisticRegression

    scale = float(scores.std())
    model = LogisticRegression(C=1e4).fit(scores[:, None] / scale, labels > 0, sample_weight=weights / weights.mean())
    return float(model.coef_[0, 0]) / scale, float(model.intercept_[0])


def temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """Factor with which the (N, K) logits of (N,) classes are calibrated (Guo et al., ICML 2017)."""
    from scipy.optimize import minimize_scalar
    from sklearn.metrics import log_loss

    def loss(log_factor: float) -> float:
        return float(log_loss(classes, softmax(logits * np.exp(log_factor)), labels=np.arange(logits.shape[1])))

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def rescaled(fitted: Linear, factor: float, offset: float = 0.0) -> Linear:
    """The map whose outputs are multiplied by a factor, then shifted."""
    waves = None if fitted.wave_coef is None else fitted.wave_coef * factor
    return Linear(fitted.coef * factor, fitted.intercept * factor + offset, waves)


def reliability(labels: np.ndarray, said: np.ndarray, weights: np.ndarray | None = None) -> dict[str, object]:
    """Expected calibration error with its 95 % bootstrap interval over faces, and the reliability diagram.

    Returns:
        `ece`: value, low, high; `bins`: of equal width, each as mean probability, share of positives, number of faces.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    rng, places = np.random.default_rng(0), np.minimum((said * NUM_BINS).astype(int), NUM_BINS - 1)

    def error(counts: np.ndarray) -> float:
        gaps = np.bincount(places, counts * (said - labels), NUM_BINS)
        return float(np.abs(gaps).sum() / counts.sum())

    drawn = [
        error(weights * np.bincount(rng.integers(0, len(said), len(said)), minlength=len(said)))
        for _ in range(RESAMPLES)
    ]
    bins = [
        [round(float(np.average(each[use], weights=weights[use])), 3) for each in (said, labels)] + [int(use.sum())]
        for use in (places == place for place in range(NUM_BINS)) if use.any()
    ]  # fmt: skip
    figures = (error(weights), *np.quantile(drawn, (0.025, 0.975)))
    return {"ece": [round(float(each), 4) for each in figures], "bins": bins}
