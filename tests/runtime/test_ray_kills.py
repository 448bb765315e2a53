"""Kills of Ray's workers and of its head node at random moments: no row is lost or duplicated."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest

import fabnet
from fabnet.files.lance import has_dataset

from ..faults.commands import TRACK, started
from ..store.rows import rows_of
from .conftest import Cluster, processes_of

pytest.importorskip("ray")

SEED = 0
EMBED = ("--fps", 5, "--precision", "float32")
LOST = "was lost; what was finished is kept: the same command goes on from there"
Rows = list[dict[str, Any]]
Victims = Callable[[subprocess.Popen[str]], list[int]]


def many(few: int, kills: int) -> list[Any]:
    return [pytest.param(few, id="few"), pytest.param(kills, id="many", marks=pytest.mark.slow)]


def embedded_rows(dataset: Path) -> Rows:
    rows = lance.dataset(str(dataset)).to_table().to_pylist()
    return [row | {"embedding": np.round(row["embedding"] or [], 4).tolist()} for row in rows]


@pytest.fixture(scope="module")
def whole(eight_videos: Path) -> dict[str, Rows]:
    """Rows that the local engine makes of the videos, by verb."""
    root = eight_videos.parent
    fabnet.track(eight_videos, root / "track.lance", fps=5.0, link_fps=10.0, size=64, num_workers=0)
    fabnet.embed([eight_videos], root / "embed.lance", fps=5.0, precision="float32")
    return {"track": rows_of(root / "track.lance"), "embed": embedded_rows(root / "embed.lance")}


def head(process: subprocess.Popen[str]) -> list[int]:
    """Whether a command has started its own Ray and the workers are running."""
    return processes_of(process.pid, "gcs_server") if processes_of(process.pid, "ray::_serve") else []


def node(process: subprocess.Popen[str]) -> list[int]:
    return processes_of(process.pid, "raylet/raylet") if processes_of(process.pid, "ray::_serve") else []


def kills_during(process: subprocess.Popen[str], victims: Victims, moment_s: Callable[[], float], most: int) -> int:
    """Kill one of the victims at each moment, until the command ends or the number of kills is reached."""
    kills = 0
    while process.poll() is None and kills < most:
        if victims(process):
            time.sleep(moment_s())
            for pid in victims(process)[:1]:
                os.kill(pid, signal.SIGKILL)
                kills += 1
        time.sleep(0.02)
    return kills


def kill_again_and_again(
    verb: str, command: tuple[object, ...], folder: Path, whole: Rows, victims: Victims, kills: int
) -> list[str]:
    """Run a command to its end while killing; start over until the number of kills is reached.

    Returns:
        Messages of the runs that failed.
    """
    random = np.random.default_rng(SEED)
    read = rows_of if verb == "track" else embedded_rows
    began = time.monotonic()
    process = started(*command, "--out", folder / "timed.lance", "--engine", "ray")
    while not victims(process) and process.poll() is None:
        time.sleep(0.02)
    ready = time.monotonic()
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    works_s = time.monotonic() - ready

    def moment_s() -> float:
        return float(random.uniform(0, works_s))

    print(f"{verb}: ready after {ready - began:.0f} s, works for {works_s:.0f} s")
    done, runs, place, slowest_s, said = 0, 0, 0, 0.0, list[str]()
    while done < kills:
        out, before = folder / f"{place}.lance", Rows()
        while before != whole:
            process = started(*command, "--out", out, "--engine", "ray")
            done += kills_during(process, victims, moment_s, kills - done)
            stopped = time.monotonic()
            _, errors = process.communicate(timeout=300)
            slowest_s = max(slowest_s, time.monotonic() - stopped)
            runs += 1
            rows = read(out) if has_dataset(out) else []
            assert len({(row["video"], row["track"], row["frame"]) for row in rows}) == len(rows)
            assert all(row in whole for row in rows)
            assert all(row in rows for row in before)
            if process.returncode:
                lines = [line for line in errors.splitlines() if not line.startswith(("tracking: ", "embedding: "))]
                assert len(lines) == 1, errors
                said += lines
            before = rows
            print(f"{verb}: {done} kills, {runs} runs, {len(said)} failed, {len(rows)} of {len(whole)} rows")
            assert runs < 5 * kills + 5
        place += 1
    print(f"{verb}: whole {place} times, ended {slowest_s:.0f} s after the last kill at the latest")
    return said


@pytest.mark.parametrize("kills", many(2, 20))
@pytest.mark.parametrize(("verb", "options"), [("track", TRACK[:-2]), ("embed", EMBED)])
def test_killed_workers_lose_or_duplicate_no_row(
    verb: str, options: tuple[object, ...], kills: int, eight_videos: Path, whole: dict[str, Rows], cluster: Cluster,
    tmp_path: Path,
) -> None:  # fmt: skip
    command = (verb, eight_videos, *options, "--ray-address", cluster.address)
    kill_again_and_again(
        verb, command, tmp_path, whole[verb], lambda process: processes_of(cluster.pid, "ray::_serve"), kills
    )


@pytest.mark.parametrize("kills", many(1, 20))
@pytest.mark.parametrize("victims", [head, node])
def test_a_killed_head_ends_in_one_line_and_the_same_command_continues(
    victims: Victims, kills: int, eight_videos: Path, whole: dict[str, Rows], tmp_path: Path
) -> None:
    said = kill_again_and_again("track", ("track", eight_videos, *TRACK[:-2]), tmp_path, whole["track"], victims, kills)
    assert said
    assert all(line == f"fabnet track: the Ray that was started here {LOST}" for line in said)


@pytest.mark.parametrize("kills", many(1, 20))
def test_the_same_with_embed(kills: int, eight_videos: Path, whole: dict[str, Rows], tmp_path: Path) -> None:
    said = kill_again_and_again("embed", ("embed", eight_videos, *EMBED), tmp_path, whole["embed"], head, kills)
    assert all(line == f"fabnet embed: the Ray that was started here {LOST}" for line in said)
