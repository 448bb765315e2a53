"""The curriculum: selection, moves, and saved state."""

from __future__ import annotations

import json

import pytest
import torch

from fabnet.training.curriculum import LossPercentileCurriculum


def at(shifts: int) -> LossPercentileCurriculum:
    curriculum = LossPercentileCurriculum(0)
    curriculum.shifts = shifts
    return curriculum


@pytest.mark.parametrize(("shifts", "ranks"), [*enumerate([(0, 16), (3, 19), (6, 22), (9, 25), (12, 28)])])
def test_the_ranks_at_batch_32_are_those_of_the_authors(shifts: int, ranks: tuple[int, int]) -> None:
    losses = torch.randperm(32, generator=torch.Generator().manual_seed(shifts)).float()
    chosen = at(shifts).select(losses)
    assert sorted(losses[chosen].tolist()) == list(range(*ranks))
    assert chosen.tolist() == sorted(chosen.tolist())


@pytest.mark.parametrize("shifts", range(5))
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 10, 64])
def test_no_selection_is_empty(shifts: int, count: int) -> None:
    chosen = at(shifts).select(torch.rand(count))
    assert 1 <= len(chosen) <= count
    assert len(set(chosen.tolist())) == len(chosen)
    if count % 10 == 0:
        assert len(chosen) == count // 2


def test_selection_among_equal_losses_is_deterministic() -> None:
    assert at(1).select(torch.zeros(10)).tolist() == [1, 2, 3, 4, 5]


def test_it_moves_four_times_as_validation_stops_improving() -> None:
    curriculum = LossPercentileCurriculum(patience=1)
    moves = []
    for step, loss in enumerate([0.5, 0.4, 0.4, 0.41, 0.39, 0.39, 0.39, *[0.5] * 10]):
        if curriculum.update(loss, step):
            moves.append((step, curriculum.window))
    assert moves == [(3, (0.1, 0.6)), (6, (0.2, 0.7)), (9, (0.3, 0.8)), (12, (0.4, 0.9))]
    assert curriculum.is_last
    assert curriculum.history == [(3, 1), (6, 2), (9, 3), (12, 4)]


def test_each_position_of_the_window_has_its_own_best_loss() -> None:
    curriculum = LossPercentileCurriculum(patience=1)
    for step, loss in enumerate([0.1, 0.1, 0.1]):
        curriculum.update(loss, step)
    assert curriculum.shifts == 1
    falling = [0.2 - 0.001 * step for step in range(50)]  # above the best loss of the easier half throughout
    assert not any(curriculum.update(loss, step) for step, loss in enumerate(falling))
    assert curriculum.best == falling[-1]


def test_too_small_a_gain_is_none() -> None:
    curriculum = LossPercentileCurriculum(patience=1, min_gain=0.01)
    assert [curriculum.update(loss, 0) for loss in (1.0, 0.995, 0.991)] == [False, False, True]
    other = LossPercentileCurriculum(patience=1, min_gain=0.01)
    assert not any(other.update(loss, 0) for loss in (1.0, 0.995, 0.989, 0.988, 0.979))


def test_it_can_start_at_a_later_position() -> None:
    curriculum = LossPercentileCurriculum(0, start=3)
    assert curriculum.window == (0.3, 0.8)
    assert not curriculum.update(0.5, 1)
    assert curriculum.update(0.5, 2)
    assert curriculum.is_last


def test_the_state_of_an_earlier_fabnet_is_read() -> None:
    curriculum = LossPercentileCurriculum(1)
    curriculum.load_state_dict({"shifts": 2, "best": 0.05, "bad_rounds": 1, "history": [[40, 1], [80, 2]]})
    assert (curriculum.shifts, curriculum.best, curriculum.bad_rounds) == (2, 0.05, 1)


def test_it_continues_from_its_saved_state() -> None:
    losses = torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist()
    whole, first = LossPercentileCurriculum(1), LossPercentileCurriculum(1)
    for step, loss in enumerate(losses):
        whole.update(loss, step)
    for step, loss in enumerate(losses[:11]):
        first.update(loss, step)
    second = LossPercentileCurriculum(1)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for step, loss in enumerate(losses[11:], start=11):
        second.update(loss, step)
    assert second.state_dict() == whole.state_dict()
    assert json.loads(json.dumps(LossPercentileCurriculum(1).state_dict()))["best"] is None
