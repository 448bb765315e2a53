"""The Ray engine compared with the local one, on a real Ray of two workers."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lance
import numpy as np
import pytest

import fabnet
from fabnet.errors import FabnetError, InputError, MissingDependencyError, VideoError
from fabnet.ingest.track import track
from fabnet.runtime.engine import engine_for

from ..store.rows import rows_of
from .conftest import Cluster, processes_of

pytest.importorskip("ray")


@dataclass(frozen=True)
class Task:
    name: str
    spool: Path


def work(task: Task, report: Callable[[float], None]) -> str:
    report(1.0)
    report(0.5)
    if task.name == "bad":
        raise VideoError("bad is truncated")
    if task.name == "odd":
        raise KeyError("odd")
    if task.name == "wait":
        time.sleep(600)
    if task.name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    task.spool.write_bytes(task.name.encode() * 10_000_000)
    return task.name.upper()


@pytest.fixture(scope="module")
def clips(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(6):
        shutil.copy(smiling, folder / f"{number}.mp4")
    (folder / "zero.mp4").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def tracked(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("local") / "s.lance"
    track(clips, out, size=64, fps=2.0)
    return out


def test_every_task_has_an_outcome_and_its_rows_are_here(cluster: Cluster, tmp_path: Path) -> None:
    reported: list[float] = []
    tasks = [Task(name, tmp_path / "spool" / name) for name in ("a", "bad", "odd", "die", "b")]
    outcomes = list(engine_for("ray", ray_address=cluster.address)(work, tasks, on_progress=reported.append))
    by_name = {outcome.task.name: outcome for outcome in outcomes}
    assert {name: outcome.result for name, outcome in by_name.items()} == {
        "a": "A", "bad": None, "odd": None, "die": None, "b": "B",
    }  # fmt: skip
    assert len(outcomes) == 5
    assert isinstance(by_name["bad"].error, VideoError)
    assert str(by_name["odd"].error) == "KeyError: 'odd'"
    assert "its Ray worker died 3 times" in str(by_name["die"].error)
    assert sorted(reported) == [0.0, 1.5, 1.5, 1.5, 1.5]
    assert (tmp_path / "spool" / "a").read_bytes() == b"a" * 10_000_000
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["a", "b"]


def test_track_gives_the_same_rows_as_local_processes(
    clips: Path, tracked: Path, cluster: Cluster, tmp_path: Path
) -> None:
    report = track(clips, tmp_path / "s.lance", size=64, fps=2.0, engine="ray", ray_address=cluster.address)
    assert rows_of(tmp_path / "s.lance") == rows_of(tracked)
    assert [video for video, _ in report.failed] == ["zero.mp4"]
    assert "is empty (0 bytes)" in report.failed[0][1]
    again = track(clips, tmp_path / "s.lance", size=64, fps=2.0, engine="ray", ray_address=cluster.address)
    assert (again.num_skipped, again.store.rows) == (6, report.store.rows)


def test_embed_gives_the_same_rows_as_one_process(
    clips: Path, tracked: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabnet.reading.parts.ROWS_A_PART", 10)
    inputs, options = [tracked, clips], {"fps": 1.0, "precision": "float32"}
    local = fabnet.embed(inputs, tmp_path / "local.lance", **options)  # type: ignore[arg-type]
    result = fabnet.embed(inputs, tmp_path / "ray.lance", engine="ray", ray_address=cluster.address, **options)  # type: ignore[arg-type]
    expected, found = (lance.dataset(str(tmp_path / name)) for name in ("local.lance", "ray.lance"))
    assert found.schema.metadata == expected.schema.metadata
    assert found.to_table().drop(["embedding"]) == expected.to_table().drop(["embedding"])
    values = [np.array(each.to_table()["embedding"].to_pylist(), float) for each in (found, expected)]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)
    assert (result.rows, result.embedded, result.failed) == (local.rows, local.embedded, local.failed)
    assert {path.name for path in (tmp_path / "ray.lance").iterdir()} <= {"_lock", "_versions", "_transactions", "data"}


def test_wrong_options_are_refused_at_the_start(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "s.lance"
    with pytest.raises(InputError, match="--engine ray"):
        track(clips, out, ray_address="here:6379")
    with pytest.raises(InputError, match="expected HOST:PORT"):
        track(clips, out, engine="ray", ray_address="ray://here:10001")
    with pytest.raises(InputError, match=r"give --out NAME\.lance"):
        fabnet.embed([clips], tmp_path / "faces.csv", engine="ray")
    monkeypatch.setattr("fabnet.runtime.cluster.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fabnet\[ray\]'"):
        track(clips, out, engine="ray")
    assert not out.exists()


def freeze_driver(cluster: Cluster) -> None:
    """Stop the process that drives Ray once a worker is busy."""
    while not processes_of(cluster.pid, "ray::_serve"):
        time.sleep(0.1)
    for pid in processes_of(os.getpid(), "multiprocessing"):
        if os.getpgid(pid) == pid:
            os.kill(pid, signal.SIGSTOP)


def test_a_silent_ray_is_reported(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabnet.runtime.cluster.SILENT_S", 3.0)
    outcomes = engine_for("ray", ray_address=cluster.address)(work, [Task("wait", tmp_path / "spool" / "wait")])
    thread = threading.Thread(target=freeze_driver, args=(cluster,))
    thread.start()
    with pytest.raises(FabnetError, match=rf"the cluster at {cluster.address} was lost; what was finished is kept"):
        list(outcomes)
    thread.join()


@pytest.mark.slow
def test_an_unreachable_cluster_is_reported(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(FabnetError, match=r"the Ray cluster at 127\.0\.0\.1:1 cannot be reached"):
        track(clips, tmp_path / "s.lance", engine="ray", ray_address="127.0.0.1:1")
