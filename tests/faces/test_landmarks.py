"""Five points from 68, and the map to where they are expected."""

from __future__ import annotations

import numpy as np

from fabnet.faces.landmarks import five_of_68, similarity_to


def test_five_points_are_eyes_nose_and_mouth() -> None:
    points = np.arange(68.0)[:, None].repeat(2, axis=1)
    np.testing.assert_array_equal(five_of_68(points)[:, 0], [38.5, 44.5, 30, 48, 54])
    np.testing.assert_array_equal(five_of_68(np.stack([points, points + 1]))[1, :, 1], [39.5, 45.5, 31, 49, 55])


def test_points_are_brought_to_their_targets() -> None:
    points = np.array([[38.0, 52.0], [74.0, 51.0], [56.0, 72.0], [42.0, 92.0], [71.0, 92.0]])
    angle, scale, shift = 0.3, 1.7, np.array([5.0, -9.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(similarity_to(points @ turn.T + shift, points), np.column_stack([turn, shift]))
    best = similarity_to(points[::-1], points)
    left = [
        ((points @ each[:, :2].T + each[:, 2] - points[::-1]) ** 2).sum() for each in (best, best * 1.01, best * 0.99)
    ]
    assert left[0] < min(left[1:])
