"""A Ray of two workers that a module's tests share, and the processes of one."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]


class Cluster(NamedTuple):
    address: str
    pid: int


def processes_of(pid: int, name: str) -> list[int]:
    """The descendants of a process whose command line has `name` in it."""
    parents, lines = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            lines[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, IndexError):
            continue
    found = []
    for each in parents:
        above = each
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and each != pid and name in lines.get(each, ""):
            found.append(each)
    return found


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """A running Ray: HOST:PORT, and the process that its own are below."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", f"--port={port}",
        "--include-dashboard=false", f"--object-store-memory={2**28}", "--disable-usage-stats",
    ]  # fmt: skip
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:  # a token of this cluster's own, for those who use it too
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        head = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + 180
            while not processes_of(head.pid, "raylet/raylet") and time.monotonic() < until:
                time.sleep(0.2)
            yield Cluster(address, head.pid)
        finally:
            head.terminate()
            head.wait(30)


@pytest.fixture(scope="package")
def seconds(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos of a second in a folder."""
    folder = tmp_path_factory.mktemp("seconds") / "in"
    folder.mkdir()
    for number in range(8):
        shutil.copy(second, folder / f"{number}.mp4")
    return folder
