"""Schedules, compared with values computed by hand."""

from __future__ import annotations

import json

import pytest

from fabnet.training.schedule import Plateau, cosine_factor, warmup_factor


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
