"""Five points from 68."""

from __future__ import annotations

import numpy as np

from fabnet.faces.landmarks import five_of_68


def test_five_points_are_eyes_nose_and_mouth() -> None:
    points = np.arange(68.0)[:, None].repeat(2, axis=1)
    np.testing.assert_array_equal(five_of_68(points)[:, 0], [38.5, 44.5, 30, 48, 54])
    np.testing.assert_array_equal(five_of_68(np.stack([points, points + 1]))[1, :, 1], [39.5, 45.5, 31, 49, 55])
