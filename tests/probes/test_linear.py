"""The probes against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as Reference

from fabnet.errors import InputError
from fabnet.probes.linear import LinearProbe, LogisticProbe, RidgeProbe, SoftmaxProbe
from fabnet.probes.tasks.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Loss,
    SquaredError,
    class_weights,
    unit_weights,
)


def made(count: int = 300, outputs: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    features = generator.normal(2, 3, (count, 8))
    return features, np.tanh(0.3 * features @ generator.normal(size=(8, outputs))) + 1


def test_ridge_matches_scikit_learn() -> None:
    features, targets = made()
    standardised = (features - features.mean(0)) / features.std(0)
    reference = Reference(alpha=0.05 * len(features)).fit(standardised, targets).predict(standardised)
    np.testing.assert_allclose(RidgeProbe(0.05).fit(features, targets).predict(features), reference, atol=1e-8)


def test_ridge_fits_each_column_on_its_labelled_samples() -> None:
    features, targets = made(60)
    targets[::3, 0] = np.nan
    targets[5, 1] = np.nan
    probe = RidgeProbe(0.05).fit(features, np.c_[targets, np.full(60, np.nan)])
    for column in range(3):
        known = np.isfinite(targets[:, column])
        alone = RidgeProbe(0.05).fit(features[known], targets[known][:, [column]])
        np.testing.assert_allclose(probe.predict(features)[:, [column]], alone.predict(features), atol=1e-12)
    assert (probe.predict(features)[:, 3] == 0).all()


def test_a_constant_feature_does_no_harm() -> None:
    features = np.stack([np.ones(9), np.arange(9.0)], axis=1)
    np.testing.assert_allclose(RidgeProbe(1e-9).fit(features, features).predict(features), features, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_classes_rank_as_scikit_learns(classes: int) -> None:
    features, targets = made()
    labels = np.digitize(targets[:, 0], np.quantile(targets[:, 0], np.arange(1, classes) / classes))
    probe = SoftmaxProbe(classes, 0.1).fit(features, labels[:, None])
    standardised = (features - features.mean(0)) / features.std(0)
    reference = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000).fit(standardised, labels)
    logits = probe.predict(features)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, reference.predict_proba(standardised), atol=1e-3)


def test_logistic_units_ignore_missing_labels() -> None:
    features, targets = made()
    units = (targets > 1).astype(float)
    units[::3, 1] = np.nan
    probe = LogisticProbe().fit(features, units)
    known = np.isfinite(units[:, 1])
    alone = LogisticProbe().fit(features[known], units[known][:, [1]])
    # The other faces change the standardisation, and so slightly the penalty.
    assert np.corrcoef(probe.predict(features)[:, 1], alone.predict(features)[:, 0])[0, 1] > 0.999


def test_identical_labels_give_a_constant() -> None:
    features, _ = made(20)
    assert (LogisticProbe().fit(features, np.ones((20, 1))).predict(features) > 5).all()
    probe = SoftmaxProbe(3).fit(features, np.full((20, 1), 2.0))
    assert probe.predict(features).shape == (20, 3)


def test_the_papers_probe_approaches_least_squares() -> None:
    features, targets = made()
    probe = LinearProbe(SquaredError(), epochs=600, seed=1).fit(features, targets)
    closed = RidgeProbe(1e-8).fit(features, targets)
    spread = targets.var(axis=0).mean()
    loss = SquaredError()
    extra = loss.mean(probe.predict(features), targets) - loss.mean(closed.predict(features), targets)
    assert 0 <= extra < 0.02 * spread


@pytest.mark.parametrize("loss", [SquaredError(), CrossEntropy(3), BinaryCrossEntropy()])
def test_one_step_of_the_papers_probe_matches_torch(loss: Loss) -> None:
    """Compare with an independent batch-norm and linear layer."""
    features, targets = made(64)
    features /= features.std()
    if isinstance(loss, CrossEntropy):
        targets = targets.argmax(axis=1)[:, None].astype(float)
    elif isinstance(loss, BinaryCrossEntropy):
        targets = (targets > 1.2).astype(float)
    probe = LinearProbe(loss, epochs=1, batch_size=64, seed=5).fit(features, targets)

    torch.manual_seed(5)
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3, bias=False))
    inputs, wanted = torch.from_numpy(features).float(), torch.from_numpy(targets).float()
    norm = network[0]
    assert isinstance(norm, torch.nn.BatchNorm1d)
    norm.running_mean, norm.running_var = inputs.mean(0), inputs.var(0)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    out = network(inputs)
    if isinstance(loss, SquaredError):
        value = torch.nn.functional.mse_loss(out, wanted)
    elif isinstance(loss, CrossEntropy):
        weight = torch.from_numpy(class_weights(targets[:, 0].astype(int), 3)).float()
        value = torch.nn.functional.cross_entropy(out, wanted[:, 0].long(), weight)
    else:
        weight = torch.from_numpy(unit_weights(targets)).float()
        value = torch.nn.functional.binary_cross_entropy_with_logits(out, wanted, weight)
    value.backward()
    optimizer.step()
    expected = network.eval()(inputs).detach().numpy()
    np.testing.assert_allclose(probe.predict(features), expected, atol=2e-4)


def test_the_papers_probe_does_not_depend_on_the_features_unit() -> None:
    features, targets = made()
    plain = LinearProbe(SquaredError(), epochs=3).fit(features, targets).predict(features)
    small = LinearProbe(SquaredError(), epochs=3).fit(features * 1e-5, targets).predict(features * 1e-5)
    np.testing.assert_allclose(small, plain, atol=1e-4)


def test_the_epoch_is_chosen_on_other_samples_and_the_seed_matters() -> None:
    features, targets = made(60, outputs=1)
    noise = np.random.default_rng(1).normal(size=(60, 1))
    probe = LinearProbe(SquaredError(), patience=5, seed=3).fit(
        features[:40], (targets + noise)[:40], select=(features[40:], targets[40:])
    )
    assert probe.history_[probe.epochs_ - 1] == min(probe.history_)
    again = LinearProbe(SquaredError(), epochs=probe.epochs_, seed=3).fit(features[:40], (targets + noise)[:40])
    np.testing.assert_array_equal(again.coef_, probe.coef_)
    other = LinearProbe(SquaredError(), epochs=probe.epochs_, seed=4).fit(features[:40], (targets + noise)[:40])
    assert np.abs(other.coef_ - probe.coef_).max() > 1e-4


def test_weights_by_hand() -> None:
    np.testing.assert_allclose(class_weights(np.array([0, 0, 0, 2]), 3), [2 / 3, 0, 2])
    weights = unit_weights(np.array([[1, 0], [0, 0], [0, np.nan], [0, 0]], dtype=float))
    np.testing.assert_allclose(weights[:, 0], [2, 2 / 3, 2 / 3, 2 / 3])
    assert weights[2, 1] == 0


def test_losses_by_hand() -> None:
    assert SquaredError().mean(np.array([[1.0, 2], [3, 4]]), np.array([[0.0, np.nan], [3, 2]])) == 5 / 3
    assert CrossEntropy(3).mean(np.zeros((4, 3)), np.array([[0.0], [0], [1], [2]])) == pytest.approx(np.log(3))
    assert BinaryCrossEntropy().mean(np.zeros((4, 1)), np.array([[0.0], [np.nan], [1], [1]])) == pytest.approx(
        np.log(2)
    )
    assert BinaryCrossEntropy().selection(np.array([[0.1], [0.2], [0.9]]), np.array([[0.0], [1], [1]])) == 0
    assert CrossEntropy(3).selection(np.eye(3), np.array([[0.0], [1], [2]])) == 0


def test_a_probe_is_chosen_by_the_headline_columns_only() -> None:
    predicted = np.array([[0.1, 0.9], [0.2, 0.1], [0.9, 0.5]])
    targets = np.array([[0.0, 0], [1, 1], [1, 0]])
    assert BinaryCrossEntropy([0]).selection(predicted, targets) == 0
    assert BinaryCrossEntropy([1]).selection(predicted, targets) == 1
    assert BinaryCrossEntropy().selection(predicted, targets) == 0.5


def test_too_few_samples_are_reported() -> None:
    with pytest.raises(InputError, match="got 1 features, 1 targets"):
        RidgeProbe().fit(np.ones((1, 2)), np.ones((1, 2)))
