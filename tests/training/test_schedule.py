"""Schedules, compared with values computed by hand."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from fabnet.training.config import preset
from fabnet.training.schedule import Plateau, Schedule, cosine_factor, steps_a_round, warmup_factor
from fabnet.training.stopping import Pace


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What experiments/paper_schedule.py defines."""
    return runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "paper_schedule.py"))


def test_warmup_and_cosine() -> None:
    assert [warmup_factor(step, 4) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert warmup_factor(0, 0) == 1
    assert [cosine_factor(step, 100) for step in (0, 50, 100, 200)] == pytest.approx([1, 0.5, 0, 0])
    assert cosine_factor(50, None) == 1


def test_the_plateau_drops_after_its_patience_and_ends() -> None:
    plateau = Plateau(patience=1, drops=2)
    seen = []
    for loss in (1.0, 0.9, 0.95, 0.91, 0.8, 0.8, 0.8, 0.8, 0.8):
        plateau.update(loss)
        seen.append((plateau.dropped, plateau.is_done))
    assert [dropped for dropped, _ in seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [done for _, done in seen] == [False] * 8 + [True]
    assert plateau.factor == pytest.approx(0.01)


def test_the_plateau_continues_from_its_saved_state() -> None:
    losses = (1.0, 0.9, 0.95, 0.91, 0.92, 0.93, 0.94)
    whole, first = Plateau(1, 3), Plateau(1, 3)
    for loss in losses:
        whole.update(loss)
    for loss in losses[:3]:
        first.update(loss)
    second = Plateau(1, 3)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for loss in losses[3:]:
        second.update(loss)
    assert second.state_dict() == whole.state_dict()


def test_too_small_a_gain_does_not_keep_the_rate_up() -> None:
    plateau = Plateau(patience=1, drops=2, min_gain=0.01)
    seen = []
    for loss in (1.0, 0.995, 0.991, 0.989, 0.985, 0.98):
        plateau.update(loss)
        seen.append(plateau.dropped)
    assert seen == [0, 0, 1, 1, 1, 2]


def test_the_rate_drops_only_once_the_window_is_at_its_last_position() -> None:
    schedule = Schedule(preset("paper", curriculum=True))
    seen: list[tuple[int, float]] = []
    while not schedule.is_done and len(seen) < 200:
        schedule.update(0.05, len(seen))
        assert schedule.curriculum is not None
        seen.append((schedule.curriculum.shifts, schedule.learning_rate(0, None)))
    # At each position of the window one round is the best, and the window moves in the fourth that is not. Then more
    # than 15 rounds without a new best loss lower the rate.
    assert [shifts for shifts, _ in seen] == [0] * 4 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 50
    assert [rate for _, rate in seen] == pytest.approx([1e-3] * (19 + 17) + [1e-4] * 16 + [1e-5] * 17)


def test_without_a_curriculum_the_rate_drops_when_validation_stops_improving() -> None:
    schedule = Schedule(preset("paper"))
    rates: list[float] = []
    while not schedule.is_done and len(rates) < 200:
        schedule.update(0.05, len(rates))
        rates.append(schedule.learning_rate(0, None))
    assert rates == pytest.approx([1e-3] * 16 + [1e-4] * 16 + [1e-5] * 17)


def test_a_cosine_run_has_no_plateau() -> None:
    schedule = Schedule(preset("small"))
    for step in range(100):
        schedule.update(0.05, step)
    assert not schedule.is_done
    assert schedule.learning_rate(2000, 4000) == pytest.approx(0.5e-3)


@pytest.mark.parametrize(
    ("curriculum", "tracks", "steps"),
    [(False, 825_000, 25_782), (True, 825_000, 6446), (False, 660, 500), (True, 660, 500)],
)
def test_a_round_of_the_paper_preset_is_a_quarter_of_a_pass(curriculum: bool, tracks: int, steps: int) -> None:
    assert steps_a_round(preset("paper", curriculum=curriculum), tracks) == steps


def test_rounds_of_other_presets_do_not_depend_on_the_tracks() -> None:
    assert steps_a_round(preset("small"), 10**7) == 500


@pytest.mark.parametrize("curriculum", [False, True])
def test_the_papers_schedule_trains_long_on_many_tracks_and_ends_soon_on_few(
    script: dict[str, Any], curriculum: bool
) -> None:
    simulate, noise = script["simulate"], script["NOISE"]
    config = preset("paper", curriculum=curriculum)
    for seed in range(4):
        for times in (0, 1, 2):
            many = simulate(config, script["VOXCELEB_TRACKS"], noise=times * noise, seed=seed, limit=100_000_000)
            assert 10e6 < many[-1].pairs < 60e6
            few = simulate(config, 660, noise=times * noise, seed=seed, limit=20_000_000)
            assert 0.2e6 < few[-1].pairs < 10e6
            assert [row.rate for row in (many[-1], few[-1])] == pytest.approx([1e-5, 1e-5])
            # Not before the loss has come near where it goes.
            assert max(row.loss for row in many[-5:]) < 0.0495


def test_a_short_patience_in_steps_would_end_long_before(script: dict[str, Any]) -> None:
    short = {"round_passes": 0.0, "min_gain": 0.0, "plateau_patience": 5}
    rows = script["simulate"](preset("paper").with_changes(short), script["VOXCELEB_TRACKS"])
    assert rows[-1].pairs < 0.5e6


def test_the_number_of_validation_pairs_follows_from_their_noise(script: dict[str, Any]) -> None:
    pairs_needed = script["pairs_needed"]
    assert pairs_needed(1000, sampling=25e-6, loss=0.05, min_gain=1e-3) == 1000
    assert pairs_needed(1000, sampling=50e-6, loss=0.05, min_gain=1e-3) == 4000


def test_a_time_budget_becomes_steps_once_steady_steps_have_been_seen() -> None:
    pace = Pace()
    for seconds in (90.0, 1.0, 1.0, 1.0, 1.0, 0.001):  # compiling, then a step that was only queued
        pace.tick(seconds)
    assert pace.plan(30, step=6, elapsed_s=94) is None
    for _ in range(60):
        pace.tick(1.0)
    assert pace.plan(30, step=66, elapsed_s=154) == 66 + int(0.9 * (1800 - 154) * 61 / 60.001)
    assert pace.plan(30, step=66, elapsed_s=1900) == 67  # over the budget
    short = Pace()
    for _ in range(6):
        short.tick(1.0)
    assert short.plan(0.5, step=6, elapsed_s=6) is None
    assert short.plan(1 / 12, step=6, elapsed_s=6) == 7  # the budget is used up
