"""Synchrony, against closed forms."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.errors import InputError

from .made import made

TIMES = np.arange(120 * 25) / 25


def both(one: np.ndarray, other: np.ndarray, **changes: str) -> pa.Table:
    return pa.concat_tables([made(TIMES, smile=one), made(TIMES, smile=other, person="bob", track="1")])


def smooth_noise(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(TIMES) + 24)
    return np.convolve(noise, np.ones(25) / 25, mode="valid")


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), np.float64)


@pytest.mark.parametrize("lag", [-1.2, 0.0, 0.5])
def test_a_shifted_curve_gives_its_lag(lag: float) -> None:
    def curve(times: np.ndarray) -> np.ndarray:
        return np.asarray(np.sin(2 * np.pi * times / 7) + np.sin(2 * np.pi * times / 4.3))

    found = fabnet.synchrony(both(curve(TIMES), curve(TIMES - lag)), "ann", "bob", shifts=40)
    assert column(found, "lag_s")[1:-1] == pytest.approx(lag)
    assert column(found, "r")[1:-1].min() > 0.999
    assert len(found) == 23


def test_opposite_curves_have_minus_one() -> None:
    noise = smooth_noise(0)
    found = fabnet.synchrony(both(noise, -noise), "ann", "bob", shifts=40)
    assert column(found, "r") == pytest.approx(-1)
    assert column(found, "lag_s") == pytest.approx(0)
    p = float(found.schema.metadata[b"fabnet.synchrony.p"])
    assert p == pytest.approx(1 / 11, abs=1e-4)  # ten shifts a window apart


def test_independent_noise_lies_at_chance() -> None:
    shares, means = [], []
    for seed in range(8):
        found = fabnet.synchrony(both(smooth_noise(seed), smooth_noise(100 + seed)), "ann", "bob", shifts=40)
        shares.append(column(found, "is_above_chance").mean())
        about = found.schema.metadata
        means.append(float(about[b"fabnet.synchrony.mean_r"]) / float(about[b"fabnet.synchrony.mean_r_by_chance"]))
    assert np.mean(shares) < 0.12
    assert np.mean(means) == pytest.approx(1, abs=0.1)


def test_noise_that_is_copied_with_a_lag_is_above_chance() -> None:
    noise = smooth_noise(5)
    found = fabnet.synchrony(both(noise, np.roll(noise, 20) + 0.3 * smooth_noise(6)), "ann", "bob", shifts=40)
    assert column(found, "is_above_chance").mean() > 0.9
    assert np.median(column(found, "lag_s")) == pytest.approx(0.8)


def test_it_repeats_by_its_seed() -> None:
    table = both(smooth_noise(1), smooth_noise(2))
    once, again = (fabnet.synchrony(table, "ann", "bob", seed=3, shifts=20) for _ in range(2))
    assert once.equals(again)
    assert once.schema.metadata == again.schema.metadata


def test_windows_in_gaps_are_null() -> None:
    one, other = smooth_noise(1), smooth_noise(2)
    one[(TIMES >= 40) & (TIMES < 70)] = np.nan
    found = fabnet.synchrony(both(one, other), "ann", "bob")
    nulls = [row["start_s"] for row in found.to_pylist() if row["r"] is None]
    assert {45.0, 50.0, 55.0} <= {round(each) for each in nulls}
    assert min(nulls) > 30
    assert max(nulls) < 70


def test_two_files_in_step_are_compared() -> None:
    noise = smooth_noise(3)
    parts = [made(TIMES, smile=noise), made(TIMES, smile=noise, person="bob", source="other.mp4")]
    assert column(fabnet.synchrony(pa.concat_tables(parts), "ann", "bob"), "r") == pytest.approx(1)


def test_impossible_pairs_are_one_line() -> None:
    table = both(smooth_noise(1), smooth_noise(2))
    with pytest.raises(InputError, match="no person 'eve'; there is ann, bob"):
        fabnet.synchrony(table, "ann", "eve")
    with pytest.raises(InputError, match="no column AU12; there is smile"):
        fabnet.synchrony(table, "ann", "bob", quantity="AU12")
    with pytest.raises(InputError, match="need 140 s for a chance level: give a shorter --span"):
        fabnet.synchrony(table, "ann", "bob", span=68)
    with pytest.raises(InputError, match="max_lag must be 0 to half of span"):
        fabnet.synchrony(table, "ann", "bob", span=3.0)
    with pytest.raises(InputError, match=r"share no window .* changes"):
        fabnet.synchrony(both(np.ones(3000), np.ones(3000)), "ann", "bob")
    twice = pa.concat_tables([table, made(TIMES, source="other.mp4", smile=0.5)])
    with pytest.raises(InputError, match=r"ann is in 2 files .* choose one as talk.mp4:ann"):
        fabnet.synchrony(twice, "ann", "bob")
    assert len(fabnet.synchrony(twice, "talk.mp4:ann", "bob")) == 23
