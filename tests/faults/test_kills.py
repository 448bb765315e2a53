"""Kills at random moments: no row is lost or duplicated, and nothing half-written is visible."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest

import fabnet
from fabnet.errors import StoreError
from fabnet.files.output import written_whole
from fabnet.store.track_store import open_store

from ..store.rows import rows_of
from .commands import TRACK, repeated, started, timed

SEED = 0


def killed(moment_s: float, *args: object) -> bool:
    """Start a command, kill it after some seconds, and return whether it was still running."""
    process = started(*args)
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode < 0


def many(kills: int) -> list[Any]:
    """A few kills by default, many in the slow tests."""
    return [pytest.param(2, id="few"), pytest.param(kills, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("kills", many(20))
def test_repeated_kills_of_track_lose_or_duplicate_no_row(eight_videos: Path, tmp_path: Path, kills: int) -> None:
    random = np.random.default_rng(SEED)
    command = ("track", eight_videos, "--out")
    takes_s = timed(*command, tmp_path / "timed.lance", *TRACK)
    whole = rows_of(tmp_path / "timed.lance")
    assert len(whole) == 40
    done, place = 0, 0
    while done < kills:
        out = tmp_path / f"{place}.lance"
        place += 1
        before: list[dict[str, Any]] = []
        for _ in range(min(4, kills - done)):  # starts of the same command, each of which is killed
            done += killed(random.uniform(0.2, 0.9) * takes_s, *command, out, *TRACK)
            try:
                rows = rows_of(out)
            except StoreError:  # killed before the store existed
                rows = []
            assert all(row in rows for row in before)
            assert all(row in whole for row in rows)
            before = rows
        fabnet.track(eight_videos, out, fps=5.0, link_fps=10.0, size=64, num_workers=0)
        assert rows_of(out) == whole
        assert sum(entry.rows for entry in open_store(out).ledger().values()) == len(whole)


@pytest.mark.parametrize("kills", many(20))
def test_killed_embed_leaves_nothing_half_written(store: Path, tiny_run: Path, tmp_path: Path, kills: int) -> None:
    random = np.random.default_rng(SEED)
    rows = repeated(store, tmp_path, 15)
    command = ("embed", rows, "--model", tiny_run, "--out")
    takes_s = timed(*command, tmp_path / "whole.lance")
    whole = lance.dataset(str(tmp_path / "whole.lance")).to_table().to_pylist()
    assert len(whole) == 15 * 60
    out = tmp_path / "out" / "faces.lance"
    done = 0
    while done < kills:
        done += killed(random.uniform(0.3, 1.0) * takes_s, *command, out)
        # The output is missing or whole: from this run, if the kill came too late, or from an earlier one.
        if out.exists():
            assert lance.dataset(str(out)).to_table().to_pylist() == whole
    fabnet.embed([rows], out, model=tiny_run)
    assert lance.dataset(str(out)).to_table().to_pylist() == whole
    assert [path.name for path in out.parent.iterdir()] == ["faces.lance"]  # leftovers of kills were removed


def test_leftovers_of_killed_writers_are_removed_and_other_outputs_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = tmp_path / f".out.{dead.pid}.partial"
    left.mkdir()
    (left / "data").write_text("half")
    (tmp_path / f".out.{dead.pid}.replaced").write_text("old")
    other = tmp_path / f".out2.{dead.pid}.partial"
    other.touch()
    with written_whole(tmp_path / "out") as partial:
        partial.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out", other.name])
