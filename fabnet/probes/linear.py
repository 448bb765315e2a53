"""The probes: linear maps from frozen features, fitted in different ways but all used alike.

A fitted probe is `features @ coef_ + intercept_` in every case: batch-norm in eval mode is linear too. Features are
read in batches, so that they may be larger than memory; sums are in float64.

Letters: N samples, D features, K outputs.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from fabnet.errors import InputError
from fabnet.probes.matrix import Matrix, Selected, batches, moments
from fabnet.probes.tasks.losses import Loss, class_weights, one_hot

__all__ = ["LinearProbe", "LogisticProbe", "Probe", "RidgeProbe", "SoftmaxProbe"]

EPSILON = 1e-5
"""Constant added to a feature's variance, as in torch's batch-norm."""


class Probe(Protocol):
    """The common interface of probes.

    Attributes:
        coef_: (D, K) float64.
        intercept_: (K,) float64.
    """

    coef_: np.ndarray
    intercept_: np.ndarray

    def fit(self, features: Matrix, targets: np.ndarray) -> Probe:
        """Fit to (N, D) features and (N, K) targets."""

    def predict(self, features: Matrix) -> np.ndarray:
        """Predict (N, K) from (N, D)."""


class _Affine:
    coef_: np.ndarray
    intercept_: np.ndarray

    def predict(self, features: Matrix) -> np.ndarray:
        """Predict.

        Args:
            features: (N, D) float.

        Returns:
            (N, K) float64; logits for classes and units.
        """
        made = np.empty((len(features), self.coef_.shape[1]))
        for part, rows in batches(features):
            made[part] = rows @ self.coef_ + self.intercept_
        return made

    def _unscaled(self, weights: np.ndarray, intercept: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> None:
        """Store a map of (features - mean) / scale as one of the features."""
        self.coef_ = weights / scale[:, None]
        self.intercept_ = intercept - mean @ self.coef_


def _check(features: Matrix, targets: np.ndarray) -> None:
    if len(features) < 2 or len(features) != len(targets):
        raise InputError(f"a probe needs two samples or more; got {len(features)} features, {len(targets)} targets")


def _mean_and_scale(features: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """What standardises each feature; a constant one keeps its scale."""
    mean, variance = moments(features)
    scale = np.sqrt(variance)
    return mean, np.where(scale > max(1e-12, 1e-5 * scale.max()), scale, 1.0)


class RidgeProbe(_Affine):
    """Linear regression with a quadratic penalty, in closed form, on standardised features.

    Args:
        penalty: weight, times the number of samples, of the squared weights.
    """

    def __init__(self, penalty: float = 1e-3) -> None:
        self.penalty = penalty

    def fit(self, features: Matrix, targets: np.ndarray) -> RidgeProbe:
        """Fit.

        Args:
            features: (N, D) float.
            targets: (N, K) float, NaN without a label: each column is fitted on its labelled samples.

        Raises:
            InputError: fewer than two samples, or lengths that differ.
        """
        _check(features, targets)
        known = np.isfinite(targets)
        if known.all():
            return self._fit(features, targets)
        self.coef_, self.intercept_ = np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
        same: dict[bytes, list[int]] = {}
        for column, labelled in enumerate(known.T):
            same.setdefault(labelled.tobytes(), []).append(column)
        for columns in same.values():
            if (rows := known[:, columns[0]]).any():
                part = RidgeProbe(self.penalty)._fit(Selected(features, rows), targets[rows][:, columns])
                self.coef_[:, columns], self.intercept_[columns] = part.coef_, part.intercept_
        return self

    def _fit(self, features: Matrix, targets: np.ndarray) -> RidgeProbe:
        """Fit to targets without NaN."""
        mean, scale = _mean_and_scale(features)
        centre = targets.mean(axis=0)
        gram = self.penalty * len(features) * np.eye(features.shape[1])
        products = np.zeros((features.shape[1], targets.shape[1]))
        for part, rows in batches(features):
            inputs = (rows - mean) / scale
            gram += inputs.T @ inputs
            products += inputs.T @ (targets[part] - centre)
        self._unscaled(np.linalg.solve(gram, products), centre, mean, scale)
        return self


class SoftmaxProbe(_Affine):
    """Logistic regression of classes with a quadratic penalty, by L-BFGS, on standardised features; balanced weights.

    Args:
        num_classes: C, the number of classes.
        strength: inverse of the penalty, as scikit-learn's C.
    """

    def __init__(self, num_classes: int, strength: float = 1e-2) -> None:
        self.num_classes, self.strength = num_classes, strength

    def fit(self, features: Matrix, targets: np.ndarray) -> SoftmaxProbe:
        """Fit.

        Args:
            features: (N, D) float.
            targets: (N, 1) class numbers without NaN.

        Raises:
            InputError: fewer than two samples, or lengths that differ.
        """
        _check(features, targets)
        standard = _mean_and_scale(features)
        classes = targets[:, 0].astype(int)
        weights, intercept = np.zeros((features.shape[1], self.num_classes)), np.zeros(self.num_classes)
        present = np.unique(classes)
        if len(present) > 1:
            intercept[:] = -30.0  # for classes without a sample
            number = np.searchsorted(present, classes)
            if len(present) == 2:  # one logit, for the second class
                fitted, offset = _logistic(features, number, 1, self.strength, *standard)
                weights[:, present[1]], intercept[present] = fitted[:, 0], (0.0, offset[0])
            else:
                weights[:, present], intercept[present] = _logistic(
                    features, number, len(present), self.strength, *standard
                )
        self._unscaled(weights, intercept, *standard)
        return self


class LogisticProbe(_Affine):
    """Logistic regression of each unit with a quadratic penalty, by L-BFGS, on standardised features; balanced weights.

    Args:
        strength: inverse of the penalty, as scikit-learn's C.
    """

    def __init__(self, strength: float = 1e-2) -> None:
        self.strength = strength

    def fit(self, features: Matrix, targets: np.ndarray) -> LogisticProbe:
        """Fit.

        Args:
            features: (N, D) float.
            targets: (N, K) float: 0 or 1, NaN without a label.

        Raises:
            InputError: fewer than two samples, or lengths that differ.
        """
        _check(features, targets)
        standard = _mean_and_scale(features)
        weights, intercept = np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
        for index, column in enumerate(targets.T):
            known = np.isfinite(column)
            labels = column[known].astype(int)
            present = np.unique(labels)
            if len(present) < 2:  # a constant map to the only label
                intercept[index] = 10.0 if present.tolist() == [1] else -10.0
            else:
                fitted, offset = _logistic(Selected(features, known), labels, 1, self.strength, *standard)
                weights[:, index], intercept[index] = fitted[:, 0], offset[0]
        self._unscaled(weights, intercept, *standard)
        return self


def _logistic(
    features: Matrix, labels: np.ndarray, num_logits: int, strength: float, mean: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression as scikit-learn's `LogisticRegression(class_weight="balanced")`, from batches of features.

    Args:
        features: (N, D).
        labels: (N,) int from 0, each class with a sample.
        num_logits: K, the number of classes; 1 for two classes, of which the second has the logit.
        strength: inverse of the penalty.
        mean: (D,) mean of the features that standardises them.
        scale: (D,) their scale.

    Returns:
        (D, K) weights of the standardised features, and (K,) intercepts.
    """
    num_features, num_samples = features.shape[1], len(labels)
    num_classes = max(2, num_logits)
    balance = class_weights(labels, num_classes)[labels][:, None]
    wanted = one_hot(labels[:, None], num_classes) if num_logits > 1 else labels[:, None]

    def loss_of(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, intercept = np.split(flat.reshape(-1, num_logits), [num_features])
        unscaled = weights / scale[:, None]
        loss, gradient, total = 0.0, np.zeros_like(weights), np.zeros(num_logits)
        for part, rows in batches(features):
            logits = rows @ unscaled + (intercept - mean @ unscaled)
            if num_logits > 1:
                logs = log_softmax(logits, axis=1)
                losses, excess = -(wanted[part] * logs).sum(axis=1, keepdims=True), np.exp(logs) - wanted[part]
            else:
                losses, excess = np.logaddexp(0, logits) - wanted[part] * logits, expit(logits) - wanted[part]
            loss += float((balance[part] * losses).sum())
            excess *= balance[part]
            gradient += rows.T @ excess
            total += excess.sum(axis=0)
        gradient = (gradient - np.outer(mean, total)) / scale[:, None] + weights / strength
        loss += 0.5 * float(np.square(weights).sum()) / strength
        return loss / num_samples, np.concatenate([gradient, total[None]]).reshape(-1) / num_samples

    start = np.zeros((num_features + 1) * num_logits)
    options = {"maxiter": 2000, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
    found = minimize(loss_of, start, jac=True, method="L-BFGS-B", options=options)
    weights, intercept = np.split(found.x.reshape(-1, num_logits), [num_features])
    return weights, intercept[0]


class LinearProbe(_Affine):
    """The paper's probe: batch-norm, then a linear layer without bias, trained with Adam.

    Features are first divided by one number, their overall standard deviation: batch-norm adds 1e-5 to each variance,
    which would swamp features that are small overall, as an untrained encoder's are.

    Args:
        loss: training and selection loss.
        learning_rate: Adam's, betas 0.9 and 0.999.
        batch_size: samples per step; not given in the paper.
        epochs: passes over the samples; with `select`, an upper bound.
        patience: epochs without a better selection loss after which the fit stops.
        seed: seed of weights and order.

    Attributes:
        epochs_: the epoch whose weights are kept: the best on `select`, else `epochs`.
        history_: selection loss after each epoch; empty without `select`.

    Source: paper, section 5.1, Setup.
    """

    def __init__(
        self,
        loss: Loss,
        *,
        learning_rate: float = 1e-3,
        batch_size: int = 256,
        epochs: int = 600,
        patience: int = 30,
        seed: int = 0,
    ) -> None:
        self.loss, self.learning_rate, self.batch_size = loss, learning_rate, batch_size
        self.epochs, self.patience, self.seed = epochs, patience, seed

    def fit(
        self,
        features: Matrix,
        targets: np.ndarray,
        *,
        select: tuple[Matrix, np.ndarray] | None = None,
    ) -> LinearProbe:
        """Fit.

        Args:
            features: (N, D) float.
            targets: (N, K) float, NaN without a label; or (N, 1) class numbers without NaN.
            select: features and targets of other people, to choose the number of epochs; None: run all epochs.

        Raises:
            InputError: fewer than two samples, or lengths that differ.
        """
        import torch

        _check(features, targets)
        mean, variance = moments(features)
        unit = max(float(np.sqrt(variance.mean() + mean.var())), 1e-12)
        weights = torch.from_numpy(self.loss.weights(targets)).float()
        wanted = torch.from_numpy(np.nan_to_num(targets)).float()
        generator = torch.Generator().manual_seed(self.seed)
        # One thread: steps are so small that a second thread costs more than it saves.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                norm = torch.nn.BatchNorm1d(features.shape[1])
                linear = torch.nn.Linear(features.shape[1], self.loss.num_outputs(targets), bias=False)
            optimizer = torch.optim.Adam([*norm.parameters(), *linear.parameters()], self.learning_rate, fused=True)
            # The running statistics start at the data's own, so that they are not half way after few epochs.
            norm.running_mean = torch.from_numpy(mean / unit).float()
            norm.running_var = torch.from_numpy(variance / unit**2 * len(features) / (len(features) - 1)).float()
            self.history_: list[float] = []
            best = np.inf
            for epoch in range(1, self.epochs + 1):
                order = torch.randperm(len(features), generator=generator)
                for part in order.split(self.batch_size):
                    if len(part) < 2:
                        continue
                    inputs = torch.from_numpy(features[part.numpy()] / unit).float()
                    loss = self.loss.batch_mean(linear(norm(inputs)), wanted[part], weights[part])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                if select is None:
                    continue
                self._keep(norm, linear, unit)
                self.history_.append(self.loss.selection(self.predict(select[0]), select[1]))
                if self.history_[-1] < best:
                    best, self.epochs_, kept = self.history_[-1], epoch, (self.coef_, self.intercept_)
                elif epoch - self.epochs_ >= self.patience:
                    break
            if select is None:
                self.epochs_ = self.epochs
                self._keep(norm, linear, unit)
            else:
                self.coef_, self.intercept_ = kept
        finally:
            torch.set_num_threads(threads)
        return self

    def _keep(self, norm: Any, linear: Any, unit: float) -> None:
        """Fold the unit, batch-norm in eval mode and the linear layer into one map."""
        mean, variance, gain, shift, weights = (
            value.detach().double().numpy()
            for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias, linear.weight)
        )
        scale = np.sqrt(variance + EPSILON)
        self._unscaled(gain[:, None] * weights.T, shift @ weights.T, unit * mean, unit * scale)
