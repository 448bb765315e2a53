"""Linear maps fitted with a penalty on what must not change them.

A map from embeddings x to y = x b + c is fitted with a penalty on its weights, and on its change under changes of the
picture that do not change y (another window, brightness, framing): the sum of |d b|^2 over differences d of embeddings.

Letters: N faces, D numbers of an embedding, K outputs.
"""

from __future__ import annotations

import numpy as np

from fabnet.teaching.waves import NUM_WAVES, Linear, Waves

__all__ = ["NUM_WAVES", "Linear", "Waves", "auc", "logistic", "quantile", "ridge"]

STEPS, CLOSE = 40, 1e-4


def ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, penalty: float) -> Linear:
    """Least squares in closed form.

    Args:
        x: (N, D).
        y: (N, K).
        weights: (N,) of the faces.
        penalty: on the weights, over the mean variance of an embedding's number.
    """
    weights = weights / weights.sum()
    mean_x, mean_y = weights @ x, weights @ y
    centred = x - mean_x
    covariance = (centred * weights[:, None]).T @ centred
    penalties = penalty * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    coef = np.linalg.solve(covariance + penalties, (centred * weights[:, None]).T @ (y - mean_y))
    return Linear(coef, mean_y - mean_x @ coef)


def logistic(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, penalty: float, changing: np.ndarray, steady: float
) -> Linear:
    """Logistic regression by Newton's method.

    Args:
        x: (N, D).
        y: (N,) 0 or 1.
        weights: (N,) of the faces.
        penalty: as in `ridge`.
        changing: (D, D) mean of d d^T over differences d of embeddings under changes of the picture.
        steady: penalty on the outputs' changes.

    Returns:
        The map to (N, 1) log-odds.
    """
    weights = weights / weights.sum()
    mean = weights @ x
    centred = np.concatenate([x - mean, np.ones((len(x), 1))], axis=1)
    covariance = np.cov((x - mean).T)
    penalties = np.zeros((x.shape[1] + 1,) * 2)
    penalties[:-1, :-1] = penalty * np.trace(covariance) / len(covariance) * np.eye(x.shape[1])
    penalties[:-1, :-1] += steady * changing
    solution = np.zeros(x.shape[1] + 1)
    for _ in range(STEPS):
        shares = 1 / (1 + np.exp(-np.clip(centred @ solution, -30, 30)))
        slope = centred.T @ (weights * (shares - y)) + penalties @ solution
        curve = (centred * (weights * np.maximum(shares * (1 - shares), 1e-6))[:, None]).T @ centred
        step = np.linalg.solve(curve + penalties + 1e-9 * np.eye(len(penalties)), slope)
        solution -= step
        if np.abs(step).max() < CLOSE * np.abs(solution).max():
            break
    coef = solution[:-1, None]
    return Linear(coef, solution[-1:] - mean @ coef)


def auc(is_positive: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_positive, scores))


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The value below which a share of the weights lies."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)])
