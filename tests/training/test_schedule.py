"""Schedules, compared with values computed by hand."""

from __future__ import annotations

import json

import pytest

from fabnet.training.config import preset
from fabnet.training.schedule import Plateau, Schedule, cosine_factor, steps_a_round, warmup_factor


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
    while not schedule.is_done:
        schedule.update(0.05, len(seen))
        assert schedule.curriculum is not None
        seen.append((schedule.curriculum.shifts, schedule.learning_rate(0, None)))
    # At each position of the window and of the rate, more than 15 rounds bring no new best loss; only the window's
    # positions begin with one.
    assert [shifts for shifts, _ in seen] == [0] * 16 + [1] * 17 + [2] * 17 + [3] * 17 + [4] * 50
    assert [rate for _, rate in seen] == pytest.approx([1e-3] * (67 + 17) + [1e-4] * 16 + [1e-5] * 17)


def test_without_a_curriculum_the_rate_drops_when_validation_stops_improving() -> None:
    schedule = Schedule(preset("paper"))
    rates = []
    while not schedule.is_done:
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
    [(False, 825_000, 6446), (True, 825_000, 1612), (False, 660, 500), (True, 660, 500)],
)
def test_sixteen_rounds_of_the_paper_preset_are_a_pass_over_many_tracks(
    curriculum: bool, tracks: int, steps: int
) -> None:
    assert steps_a_round(preset("paper", curriculum=curriculum), tracks) == steps


def test_rounds_of_other_presets_do_not_depend_on_the_tracks() -> None:
    assert steps_a_round(preset("small"), 10**7) == 500
