"""Smoothing of crop boxes."""

from __future__ import annotations

import numpy as np
import pytest

from fabnet.faces.crop import CropSpec, crop_box
from fabnet.video.smooth import MAX_DRIFT, BoxSmoother, allowed_box

SPEC = CropSpec(margin=2.0, smoothing_s=0.5, shift_y=0.0)


def box_at(x: float, y: float, side: float = 100.0) -> np.ndarray:
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)


def smoothed(boxes: list[np.ndarray], spec: CropSpec = SPEC, fps: float = 5.0) -> np.ndarray:
    smoother: BoxSmoother[int] = BoxSmoother(spec)
    out: list[tuple[int, np.ndarray]] = []
    for number, box in enumerate(boxes):
        smoother.push(number / fps, box, number)
        out += smoother.pop(number / fps)
    out += smoother.pop(np.inf, is_over=True)
    assert [number for number, _ in out] == list(range(len(boxes)))
    return np.stack([box for _, box in out])


def test_a_still_face_keeps_its_crop() -> None:
    np.testing.assert_allclose(smoothed([box_at(80, 90)] * 12), [[-20, -10, 180, 190]] * 12, atol=1e-3)


def test_steady_motion_and_growth_are_unchanged_away_from_the_ends() -> None:
    boxes = [box_at(100 + 2 * n, 100 - n, 100 * 1.01**n) for n in range(40)]
    plain = np.stack([crop_box(box, SPEC) for box in boxes])
    np.testing.assert_allclose(smoothed(boxes)[10:-10], plain[10:-10], atol=0.05)


def test_smoothing_reduces_jitter() -> None:
    rng = np.random.default_rng(0)
    boxes = [
        box_at(100 + 3 * rng.normal(), 100 + 3 * rng.normal(), 100 * float(np.exp(0.03 * rng.normal())))
        for _ in range(200)
    ]
    steps = [np.abs(np.diff(rows, axis=0)).mean() for rows in (smoothed(boxes), [crop_box(box, SPEC) for box in boxes])]
    assert steps[0] < 0.2 * steps[1]


def test_the_weights_are_a_gaussians() -> None:
    boxes = [box_at(100 + (5.0 if n == 10 else 0.0), 100) for n in range(21)]
    times = (np.arange(21) - 10) / 5
    weights = np.exp(-0.5 * (times / 0.5) ** 2) * (np.abs(times) <= 1.5)
    centres = smoothed(boxes)[:, [0, 2]].mean(1)
    assert centres[10] == pytest.approx(100 + 5 * weights[10] / weights.sum(), abs=1e-3)
    assert centres[12] == pytest.approx(100 + 5 * weights[12] / weights.sum(), abs=1e-3)


def test_no_smoothing_gives_the_crop_box_itself() -> None:
    boxes = [box_at(100 + 7 * n, 50, 80 + n) for n in range(6)]
    spec = CropSpec(smoothing_s=0.0)
    np.testing.assert_allclose(smoothed(boxes, spec), [crop_box(box, spec) for box in boxes], atol=1e-3)


def test_the_crop_follows_a_jump() -> None:
    boxes = [box_at(100, 100)] * 10 + [box_at(300, 100, 150)] * 10
    for box, crop in zip(boxes, smoothed(boxes), strict=True):
        plain, allowed = crop_box(box, SPEC), allowed_box(box, SPEC)
        side = plain[2] - plain[0]
        assert np.abs((crop[:2] + crop[2:]) / 2 - (plain[:2] + plain[2:]) / 2).max() <= MAX_DRIFT * side + 1e-3
        assert (crop[:2] >= allowed[:2] - 1e-3).all()
        assert (crop[2:] <= allowed[2:] + 1e-3).all()


def test_it_waits_three_sigmas_and_no_longer() -> None:
    smoother: BoxSmoother[int] = BoxSmoother(SPEC)
    for number in range(2000):
        smoother.push(number / 25, box_at(100, 100), number)
        smoother.pop(number / 25)
        assert len(smoother) <= 3 * 0.5 * 25 + 1
        assert len(smoother._boxes) <= 2 * 3 * 0.5 * 25 + 2
