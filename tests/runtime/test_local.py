from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import active_children

import pytest

from fabnet.errors import FabnetError, OutputError, VideoError
from fabnet.runtime.local import run_tasks


def work(task: str, report: Callable[[float], None]) -> str:
    report(1.5)
    if task == "bad":
        raise VideoError("bad is truncated")
    if task == "odd":
        raise KeyError("odd")
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "full":
        raise OutputError("cannot write: the disk is full")
    return task.upper()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_task_has_an_outcome(num_workers: int) -> None:
    reported: list[float] = []
    tasks = ["a", "bad", "odd", "b", "c"]
    outcomes = {o.task: o for o in run_tasks(work, tasks, num_workers=num_workers, on_progress=reported.append)}
    assert {task: outcome.result for task, outcome in outcomes.items()} == {
        "a": "A", "bad": None, "odd": None, "b": "B", "c": "C",
    }  # fmt: skip
    assert isinstance(outcomes["bad"].error, VideoError)
    assert str(outcomes["bad"].error) == "bad is truncated"
    assert str(outcomes["odd"].error) == "KeyError: 'odd'"
    assert reported == [1.5] * 5


def test_a_dying_worker_fails_only_its_own_task() -> None:
    outcomes = list(run_tasks(work, ["die", "a", "b"], num_workers=1))
    assert [outcome.result for outcome in outcomes] == [None, "A", "B"]
    assert isinstance(outcomes[0].error, FabnetError)
    assert "worker process died (signal SIGKILL)" in str(outcomes[0].error)


def test_a_full_disk_ends_the_run() -> None:
    before = active_children()
    outcomes = run_tasks(work, ["a", "full", "b"], num_workers=1)
    assert next(outcomes).result == "A"
    (worker,) = [child for child in active_children() if child not in before]
    with pytest.raises(OutputError, match="disk is full"):
        next(outcomes)
    assert not worker.is_alive()
    assert set(active_children()) <= set(before)
