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
    assert moves == [(3, (0.1, 0.6)), (6, (0.2, 0.7)), (8, (0.3, 0.8)), (10, (0.4, 0.9))]
    assert curriculum.is_last
    assert curriculum.history == [(3, 1), (6, 2), (8, 3), (10, 4)]


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
