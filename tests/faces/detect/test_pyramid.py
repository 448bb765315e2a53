"""Halving pictures."""

from __future__ import annotations

import numpy as np

from fabnet.faces.detect.pyramid import halves


def test_every_pixel_is_the_mean_of_four() -> None:
    image = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    first, second = halves(image, 4)
    assert first is image
    np.testing.assert_allclose(second, image.reshape(4, 2, 6, 2, 3).mean((1, 3)), atol=0.5)


def test_an_odd_row_or_column_is_left_out() -> None:
    image = np.zeros((9, 13), np.uint8)
    image[8], image[:, 12] = 255, 255
    assert [half.shape for half in halves(image, 2)] == [(9, 13), (4, 6), (2, 3)]
    assert halves(image, 2)[1].max() == 0


def test_a_small_picture_is_not_halved() -> None:
    assert len(halves(np.zeros((7, 100), np.uint8), 4)) == 1
