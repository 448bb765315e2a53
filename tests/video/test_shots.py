"""Cuts, fades and dissolves, on thumbnails of a moving random picture."""

from __future__ import annotations

import numpy as np
import pytest

from fabnet.video.shots import ShotDetector

FPS = 25


def scene(seed: int, count: int, moving: float = 1.0) -> np.ndarray:
    """(count, 1536) thumbnails of overlapping rectangles, passing by `moving` thumbnail pixels a second."""
    rng = np.random.default_rng(seed)
    picture = np.full((256, 1024), 110.0, np.float32)
    for _ in range(120):
        x, y = rng.integers(0, (1024, 256))
        width, height = rng.integers(20, 120, 2)
        picture[y : y + height, x : x + width] = rng.uniform(20, 220)
    frames = []
    for number in range(count):
        left = round(8 * moving * number / FPS)
        luma = picture[:, left : left + 256].reshape(32, 8, 32, 8).mean((1, 3))
        frames.append(np.concatenate([luma.ravel(), np.full(512, 128.0)]))
    return np.stack(frames).astype(np.float32)


def shots(thumbnails: np.ndarray, fps: float = FPS) -> list[int | None]:
    detector = ShotDetector()
    decided = [each for n, frame in enumerate(thumbnails) for each in detector.push(n, n / fps, frame)]
    decided += detector.finish()
    assert [index for index, _ in decided] == list(range(len(thumbnails)))
    return [shot for _, shot in decided]


@pytest.mark.parametrize("moving", [0.0, 1.0, 4.0, 16.0])
def test_one_shot_stays_one(moving: float) -> None:
    assert set(shots(scene(0, 150, moving))) == {0}


@pytest.mark.parametrize("at", [1, 2, 40, 75, 98, 99])
def test_a_cut_is_found_to_the_frame(at: int) -> None:
    found = shots(np.concatenate([scene(1, at), scene(2, 100 - at)]))
    assert found == [0] * at + [1] * (100 - at)


def test_cuts_in_a_row() -> None:
    found = shots(np.concatenate([scene(seed, 12) for seed in range(5)]))
    assert found == [shot for shot in range(5) for _ in range(12)]


def test_a_camera_flash_is_not_a_cut() -> None:
    thumbnails = scene(3, 100)
    thumbnails[50, :1024] = np.minimum(thumbnails[50, :1024] + 90, 255)
    assert set(shots(thumbnails)) == {0}


def test_a_slow_change_of_light_is_not_a_dissolve() -> None:
    thumbnails = scene(4, 150)
    gain = np.interp(np.arange(150), [50, 100], [1.0, 0.6])[:, None].astype(np.float32)
    thumbnails[:, :1024] *= gain
    assert set(shots(thumbnails)) == {0}


@pytest.mark.parametrize("count", [6, 12, 25, 50])
def test_a_dissolve_separates_two_shots(count: int) -> None:
    weight = np.linspace(0, 1, count + 2)[1:-1, None].astype(np.float32)
    old, new = scene(5, 60 + count), scene(6, 60 + count)
    found = shots(np.concatenate([old[:60], old[60:] * (1 - weight) + new[:count] * weight, new[count:]]))
    amid = [number for number, shot in enumerate(found) if shot is None]
    assert amid == list(range(amid[0], amid[-1] + 1))
    assert 50 <= amid[0] <= 60 + count / 3
    assert 60 + count * 2 / 3 <= amid[-1] + 1 <= 70 + count
    assert found[0] == 0
    assert found[-1] == 1


@pytest.mark.parametrize("level", [0.0, 235.0])
@pytest.mark.parametrize("count", [4, 10, 30])
def test_a_fade_through_one_colour_separates_two_shots(level: float, count: int) -> None:
    weight = np.linspace(0, 1, count + 1)[:, None].astype(np.float32)
    old, new = scene(7, 60), scene(8, 60)
    flat = np.full_like(old[:1], 128)
    flat[:, :1024] = level
    out, into = old[-1:] * (1 - weight) + flat * weight, flat * (1 - weight) + new[:1] * weight
    found = shots(np.concatenate([old, out, into, new]))
    assert found[:55] == [0] * 55
    assert found[-55:] == [1] * 55
    assert found[60 + count] is None


def test_a_low_frame_rate_works_as_well() -> None:
    found = shots(np.concatenate([scene(9, 20), scene(10, 20)]), fps=5)
    assert found == [0] * 20 + [1] * 20


def test_memory_and_delay_stay_flat() -> None:
    detector = ShotDetector()
    thumbnails = scene(11, 50)
    last = -1
    for number in range(2000):
        for index, _ in detector.push(number, number / FPS, thumbnails[number % 50 if number // 50 % 2 else 0]):
            last = index
        assert len(detector._frames) <= 2 * 1.25 * FPS + 4
        assert number - last <= 1.25 * FPS + 4
