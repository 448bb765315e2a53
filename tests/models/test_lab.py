"""sRGB to L*a*b*, against OpenCV, known colours and the formula in double precision."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from fabnet.models.lab import rgb_to_lab


def test_lab_matches_opencv() -> None:
    generator = np.random.default_rng(0)
    images = generator.random((2, 6, 7, 3), dtype=np.float32)
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    expected = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2LAB) for image in images])
    made = rgb_to_lab(torch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(made, expected, atol=0.5)  # OpenCV's curves are tables


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((1, 1, 1), (100, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    made = rgb_to_lab(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(made, torch.tensor(lab, dtype=torch.float32), atol=0.03, rtol=0)


def test_dark_colours_follow_the_straight_part_of_the_curve() -> None:
    """L* is 24389 / 27 times Y below a Y of 216 / 24389, and continuous there; sRGB is linear below 0.04045."""
    grey = torch.linspace(0, 0.12, 200, dtype=torch.float32)
    lightness, *colour = rgb_to_lab(grey.expand(1, 3, 1, -1)).squeeze().double()
    exact = grey.double()
    linear = torch.where(exact > 0.04045, ((exact + 0.055) / 1.055) ** 2.4, exact / 12.92)
    expected = torch.where(linear > 216 / 24389, 116 * linear ** (1 / 3) - 16, 24389 / 27 * linear)
    torch.testing.assert_close(lightness, expected, atol=1e-3, rtol=0)
    assert max(each.abs().max() for each in colour) < 0.01
