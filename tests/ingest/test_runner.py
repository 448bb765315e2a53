"""The runner with a verb of its own: what it skips, retries, commits and keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabnet.errors import FabnetError, InputError
from fabnet.faces.crop import CropSpec
from fabnet.files.lance import open_dataset
from fabnet.ingest.runner import Finished, IngestTask, Job, Run, run
from fabnet.runtime.engine import engine_for
from fabnet.runtime.outcome import Engine, Outcome
from fabnet.store.schema import Row
from fabnet.store.spool import SpoolWriter, spool_path
from fabnet.store.track_store import open_store

SQUARE = np.array([0, 0, 8, 8], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTask(IngestTask):
    num_rows: int
    is_broken: bool = False


def count(task: CountTask, report: Callable[[float], None]) -> Finished:
    report(1)
    if task.is_broken:
        raise InputError("it is broken")
    with SpoolWriter(task.spool) as spool:
        for frame in range(task.num_rows):
            spool.add(Row("Ann", task.video, "0", frame, float(frame), task.video, task.split, b"x", SQUARE))
    status = "ok" if task.num_rows else "no-face"
    return Finished(task.entry(status, spool=spool, frames_kept=task.num_rows), {"counted": task.num_rows})


COUNTING = Job(work=count, label="counting", unit="rows", total=len, changed="changed from {then} to {now} bytes")


def counted(
    tasks: Sequence[CountTask], out: Path, *, job: Job[CountTask] = COUNTING, engine: Engine | None = None
) -> Run:
    return run(
        job, tasks, out, crop=CropSpec(size=16), settings={"verb": "count"}, splits={"Ann": "train"},
        engine=engine or engine_for("local", num_workers=0),
    )  # fmt: skip


@pytest.fixture
def tasks(tmp_path: Path) -> list[CountTask]:
    """Six inputs of two rows each."""
    return [
        CountTask(
            video=name, source=f"/in/{name}", size_bytes=10, mtime=1.0, split="train",
            spool=spool_path(tmp_path / "s", number), num_rows=2,
        )
        for number, name in enumerate("abcdef")
    ]  # fmt: skip


def test_a_second_run_does_what_is_left(tasks: list[CountTask], tmp_path: Path) -> None:
    tasks[1] = replace(tasks[1], is_broken=True)
    tasks[2] = replace(tasks[2], num_rows=0)
    first = counted(tasks, tmp_path / "s")
    assert (first.store.rows, first.num_skipped, first.figures["counted"]) == (8, 0, 8)
    assert first.with_status("failed") == (("b", "it is broken"),)
    assert [entry.video for entry in first.entries] == list("abcdef")
    tasks[1] = replace(tasks[1], is_broken=False)
    tasks[2] = replace(tasks[2], num_rows=2, size_bytes=11)  # it has no rows yet: it is read again
    tasks[3] = replace(tasks[3], size_bytes=12)
    second = counted(tasks, tmp_path / "s")
    assert (second.store.rows, second.num_skipped, second.figures["counted"]) == (12, 4, 4)
    assert second.changed == (("d", "changed from 10 to 12 bytes"),)
    assert not second.with_status("failed")


@pytest.mark.parametrize(("commit_rows", "num_commits"), [(0, 6), (4, 3), (100, 1)])
def test_rows_are_committed_in_batches(
    tasks: list[CountTask], tmp_path: Path, commit_rows: int, num_commits: int
) -> None:
    counted(tasks, tmp_path / "s", job=replace(COUNTING, commit_rows=commit_rows))
    assert len(open_dataset(tmp_path / "s").get_fragments()) == num_commits
    assert open_store(tmp_path / "s").read_rows(range(12), ["video"]).column("video").to_pylist() == list(
        "aabbccddeeff"
    )


def failing(
    work: Any, tasks: Sequence[Any], *, on_progress: Callable[[float], None] | None = None
) -> Iterator[Outcome]:
    """An engine that is lost after two tasks."""
    yield from engine_for("local", num_workers=0)(work, tasks[:2], on_progress=on_progress)
    raise FabnetError("the cluster was lost")


@pytest.mark.parametrize("commit_rows", [0, 100])
def test_an_engine_that_fails_leaves_what_was_finished(
    tasks: list[CountTask], tmp_path: Path, commit_rows: int
) -> None:
    job = replace(COUNTING, commit_rows=commit_rows)
    with pytest.raises(FabnetError, match="the cluster was lost"):
        counted(tasks, tmp_path / "s", job=job, engine=failing)
    store = open_store(tmp_path / "s")
    assert (store.num_rows, sorted(store.ledger())) == (4, ["a", "b"])
    assert counted(tasks, tmp_path / "s", job=job).num_skipped == 2
