"""A call that changes a file fails, or the process is killed at it: no rows are lost, and a retry repairs all."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .faulty_disk import KINDS, VERBS, Case, Worker, a_worker, cases

SEED = 0


@pytest.fixture(scope="module")
def given(
    store: Path, tiny_run: Path, frames_folder: Path, second: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    videos = tmp_path_factory.mktemp("videos") / "in"
    videos.mkdir()
    for number in range(3):
        shutil.copy(second, videos / f"{number}.mp4")
    splits = store.parent / "splits.csv"
    return {
        "store": str(store),
        "run": str(tiny_run),
        "videos": str(videos),
        "frames": str(frames_folder),
        "splits": str(splits),
    }


def tried(case: Case, worker: Worker, under: Path, at: int, kind: str) -> str:
    """Run a verb with one fault, check the result, and return how the verb ended."""
    place = under / f"{at}.lance"
    shutil.copytree(case.start, place, dirs_exist_ok=True)
    what = f"{case.verb}: {kind} at call {at}"
    code, said = worker.do(case.verb, place, case.given, at=at, kind=KINDS[kind])
    assert "traceback" not in said, f"{what}: {said}"
    found = case.content(place)
    assert case.is_sound(found), f"{what}: rows were lost or came back ({said})"
    if code == 0:
        missing = case.is_done(place, found)
        assert missing is None, f"{what}: reported as done, and {missing}"
    again = worker.do(case.verb, place, case.given)
    assert again[0] == 0, f"{what}: a retry fails: {again[1]} (after {said})"
    missing = case.is_done(place, case.content(place))
    assert missing is None, f"{what}: after a retry {missing}"
    shutil.rmtree(place)
    return "done" if code == 0 else "killed" if code < 0 else "refused"


@pytest.fixture(scope="module")
def under(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which calls are counted and fail."""
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="module")
def worker(under: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with a_worker(under, tmp_path_factory.mktemp("worker")) as started:
        yield started


@pytest.mark.parametrize(
    "calls_a_kind",
    [
        pytest.param(1, id="few"),
        pytest.param(25, id="many", marks=pytest.mark.slow),
        pytest.param(100_000, id="all", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_failing_call_loses_nothing(
    verb: str, calls_a_kind: int, given: dict[str, Any], worker: Worker, under: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(SEED)
    for case in cases((verb,), tmp_path, worker, given):
        counted = under / "counted.lance"
        shutil.copytree(case.start, counted)
        assert worker.do(verb, counted, case.given) == (0, "")
        calls = worker.calls
        shutil.rmtree(counted)
        for kind in KINDS:
            chosen = sorted(random.permutation(np.arange(1, calls + 1))[:calls_a_kind].tolist())
            ended = Counter(tried(case, worker, under, at, kind) for at in chosen)
            print(f"{case.name}: {kind}: {len(chosen)} of {calls} calls: {dict(sorted(ended.items()))}", flush=True)


@pytest.mark.parametrize("verb", ["compact", "remove"])
def test_rows_that_were_not_written_replace_none(
    verb: str, given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    under = tmp_path_factory.mktemp("disk")
    with a_worker(under, tmp_path, only=".lance/data/.tmp") as worker:  # the prefix of files that Lance is writing
        (case, _) = cases((verb,), tmp_path, worker, given)
        counted = under / "counted.lance"
        shutil.copytree(case.start, counted)
        assert worker.do(verb, counted, case.given) == (0, "")
        assert worker.calls > 8
        for at in range(1, 9):
            tried(case, worker, under, at, "I/O error")
