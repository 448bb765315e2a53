"""Figures and their intervals against hand arithmetic, scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from fabnet.probes.metrics import auc, bootstrap_weights, correlation, interval, mean_of, weighted_mean
from fabnet.probes.tasks.labels import Classes
from fabnet.probes.tasks.points import Points, box_side, point_distance, point_errors
from fabnet.probes.tasks.quantities import Angles
from fabnet.probes.tasks.task import Task

ONES = np.ones((1, 200), dtype=np.float32)


def scores() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = (generator.random(200) < 0.3).astype(float)
    return np.round(labels + generator.normal(size=200), 1), labels  # rounded: many ties


def test_auc_matches_scikit_learn_with_ties() -> None:
    predicted, labels = scores()
    assert auc(predicted, labels)(ONES)[0] == pytest.approx(100 * roc_auc_score(labels, predicted))


def test_auc_with_weights_is_auc_of_repeated_samples() -> None:
    predicted, labels = scores()
    weights = np.random.default_rng(1).integers(0, 4, (5, 200)).astype(np.float32)
    made = auc(predicted, labels)(weights)
    for draw in range(5):
        times = weights[draw].astype(int)
        expected = roc_auc_score(np.repeat(labels, times), np.repeat(predicted, times))
        assert made[draw] == pytest.approx(100 * expected)


def test_auc_ignores_missing_labels_and_one_sided_draws() -> None:
    predicted, labels = scores()
    labels[::2] = np.nan
    known = np.isfinite(labels)
    assert auc(predicted, labels)(ONES)[0] == pytest.approx(100 * roc_auc_score(labels[known], predicted[known]))
    assert np.isnan(auc(predicted, np.zeros(200))(ONES)[0])
    assert np.isnan(auc(predicted, np.full(200, np.nan))(ONES)[0])


def test_correlation_matches_scipy() -> None:
    predicted, true = scores()
    true = true + 0.1 * np.arange(200)
    true[3] = np.nan
    known = np.isfinite(true)
    assert correlation(predicted, true)(ONES)[0] == pytest.approx(pearsonr(predicted[known], true[known])[0])


def test_correlation_depends_on_neither_unit_nor_offset() -> None:
    predicted, true = np.random.default_rng(0).normal(size=(2, 200)) + np.arange(200) / 50
    expected = pearsonr(predicted, true)[0]
    assert correlation(1e-7 * predicted, 1e-7 * true)(ONES)[0] == pytest.approx(expected)
    assert correlation(1e6 + predicted, 1e8 + true)(ONES)[0] == pytest.approx(expected, abs=1e-6)
    assert correlation(np.full(200, 0.1), true)(ONES)[0] == 0


def test_means() -> None:
    values = np.array([1.0, 3.0, np.nan])
    weights = np.array([[1, 1, 1], [3, 1, 5], [0, 0, 1]], dtype=float)
    np.testing.assert_allclose(weighted_mean(values)(weights), [2, 1.5, np.nan])
    both = mean_of([weighted_mean(values), weighted_mean(2 * values)])
    np.testing.assert_allclose(both(weights)[:2], [3, 2.25])


def test_a_bootstrap_draws_whole_people() -> None:
    people = np.array(["a", "a", "b", "c", "c", "c"])
    weights = bootstrap_weights(people, draws=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3:] == weights[:, 3:4]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(weights, bootstrap_weights(people, draws=50))


def test_an_interval_covers_the_truth_about_19_times_in_20() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        sample = generator.normal(size=60)
        low, high = interval(weighted_mean(sample)(bootstrap_weights(np.arange(60), draws=300)))
        covered += low <= 0 <= high
    assert 0.88 < covered / 200 < 0.99


def test_point_errors_by_hand() -> None:
    true = np.array([[[0.0, 0], [4, 0]], [[np.nan, np.nan], [0, 2]]])
    np.testing.assert_allclose(point_errors(true + [3, 4], true), [5, 5])
    assert point_distance(0, 1, "").measure(true[:1]) == pytest.approx([4])
    box = np.array([[[0.0, 0], [4, 9], [2, 2]]])
    assert box_side().measure(box) == pytest.approx([6])
    box = np.array([[[0.0, 0], [np.nan, np.nan], [4, 9]], np.full((3, 2), np.nan)])
    np.testing.assert_allclose(box_side().measure(box), [6, np.nan])


def test_the_figures_of_each_kind() -> None:
    task: Task
    true = np.array([[0.0, 10, 20], [10, 10, -20], [0, 0, 0]])
    task = Angles(name="pose", targets=true, columns=("roll", "pitch", "yaw"))
    found = {each.metric: each for each in task.figures(true + [1, -2, 6], true)}
    values = {name: float(each.of(np.ones((1, 3)))[0]) for name, each in found.items()}
    assert values["error in degrees, mean"] == pytest.approx(3)
    assert values["error in degrees, pitch"] == pytest.approx(2)
    assert values["correlation, yaw"] == pytest.approx(1)
    assert [name for name, each in found.items() if each.is_headline] == ["error in degrees, mean"]

    labels = np.array([[0.0], [1], [2], [np.nan]])
    task = Classes(name="kind", targets=labels, columns=("a", "b", "c"), headline=("a", "b"))
    logits = np.array([[2.0, 0, 1], [0, 2, 0], [0, 3, 1], [9, 9, 9]])
    found = {each.metric: each for each in task.figures(logits, labels)}
    values = {name: float(each.of(np.ones((1, 4)))[0]) for name, each in found.items()}
    assert values["AUC, a"] == 100
    assert values["AUC, b"] == 50
    assert values["AUC, mean"] == 75
    assert values["AUC, mean of all"] == pytest.approx((100 + 50 + 75) / 3)
    assert values["accuracy, %"] == pytest.approx(200 / 3)

    points = np.array([[0.0, 0, 4, 0], [0, 0, 0, 8]])
    norm = point_distance(0, 1, "eye distance")
    task = Points(name="points", targets=points, normalisers=(norm,))
    (figure,) = task.figures(points + 1, points)
    assert figure.metric == "error, % of eye distance"
    assert figure.of(np.ones((1, 2)))[0] == pytest.approx(100 * np.sqrt(2) * (1 / 4 + 1 / 8) / 2)
