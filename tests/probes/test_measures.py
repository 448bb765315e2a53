"""Measures between faces, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from fabnet.faces.pose import ANGLES
from fabnet.probes.measures import shape_distance
from fabnet.probes.tasks.labels import Classes, Units
from fabnet.probes.tasks.points import Points, box_side
from fabnet.probes.tasks.quantities import Angles, Values


def test_a_shifted_rotated_and_scaled_shape_is_the_same_shape() -> None:
    generator = np.random.default_rng(0)
    shapes = generator.normal(size=(2, 10, 2))
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    moved = 3.5 * shapes @ turn.T + (100, -40)
    assert np.diag(shape_distance(shapes, moved)).max() < 1e-5
    np.testing.assert_allclose(shape_distance(shapes, shapes), shape_distance(moved, shapes), atol=1e-5)
    mirrored = shapes * (-1, 1)
    assert np.diag(shape_distance(shapes, mirrored)).min() > 10


def test_the_shape_distance_is_the_residual_of_least_squares() -> None:
    """Compare with a solver without complex numbers: x' = a x - b y + c, y' = b x + a y + d."""
    first, second = np.random.default_rng(1).normal(size=(2, 7, 2))
    x, y, one, zero = second[:, 0], second[:, 1], np.ones(7), np.zeros(7)
    matrix = np.concatenate([np.stack([x, -y, one, zero], axis=1), np.stack([y, x, zero, one], axis=1)])
    target = np.concatenate([first[:, 0], first[:, 1]])
    left = matrix @ np.linalg.lstsq(matrix, target, rcond=None)[0] - target
    expected = 100 * np.sqrt(np.square(left).sum() / np.square(first - first.mean(axis=0)).sum())
    assert shape_distance(first[None], second[None])[0, 0] == pytest.approx(expected)
    assert shape_distance(second[None], first[None])[0, 0] == pytest.approx(expected)


def test_poses_differ_by_one_angle_about_any_axis() -> None:
    task = Angles(name="pose", targets=np.empty((0, 3)), columns=ANGLES)
    (measure,) = task.measures(np.array([[0, 0, 0], [0, 0, 30], [0, 20, 0], [90, 0, 0]], dtype=np.float64))
    np.testing.assert_allclose(measure.of(np.array([0])), [[0, 30, 20, 90]], atol=1e-9)
    of_yaw = Angles(name="yaw", targets=np.empty((0, 1)), columns=("yaw",))
    (yaw,) = of_yaw.measures(np.array([[10.0], [-20.0]]))
    np.testing.assert_allclose(yaw.of(np.array([0, 1])), [[0, 30], [30, 0]])


def test_values_are_in_standard_deviations() -> None:
    task = Values(name="mouth", targets=np.empty((0, 1)), columns=("opening",))
    (measure,) = task.measures(np.array([[1.0], [3.0]]))
    np.testing.assert_allclose(measure.of(np.array([0])), [[0, 2]])


def test_queries_of_a_class_or_unit_are_the_faces_that_have_it() -> None:
    classes = Classes(name="e", targets=np.empty((0, 1)), columns=("sad", "happy"), headline=("sad",))
    sad, happy = classes.measures(np.array([[0.0], [1], [1]]))
    assert (sad.in_headline, happy.in_headline) == (True, False)
    assert happy.is_query.tolist() == [False, True, True]
    np.testing.assert_array_equal(happy.of(np.array([1])), [[0, 100, 100]])
    units = Units(name="u", targets=np.empty((0, 2)), columns=("AU1", "AU2"))
    (first,) = units.measures(np.array([[1.0, 0], [1, 0], [0, 0]]))  # no face has AU2, so it has no measure
    assert (first.column, first.is_query.tolist()) == ("AU1", [True, True, False])


def test_points_are_compared_as_shapes() -> None:
    points = np.random.default_rng(2).normal(size=(3, 10))
    task = Points(name="p", targets=points, normalisers=(box_side(),))
    (measure,) = task.measures(points)
    made = measure.of(np.array([1]))
    assert made.shape == (1, 3)
    assert made[0, 1] == pytest.approx(0, abs=1e-5)
