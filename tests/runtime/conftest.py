"""A Ray of two workers that the tests of a module share, and functions that find its processes."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

AGENTS = ("dashboard-agent-grpc-port", "dashboard-agent-listen-port", "runtime-env-agent-port", "metrics-export-port")
"""Port options of Ray's agents. If they choose ports themselves, Ray fails where reporting these takes 15 s."""
ROOT = Path(__file__).parents[2]


class Cluster(NamedTuple):
    address: str
    pid: int


def processes_of(pid: int, name: str) -> list[int]:
    """The descendants of a process whose command line contains `name`."""
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


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """A running Ray: HOST:PORT, and the parent of its processes."""
    port, *agents = free_ports(5)
    address = f"127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", f"--port={port}",
        *(f"--{agent}={number}" for agent, number in zip(AGENTS, agents, strict=True)),
        "--include-dashboard=false", f"--object-store-memory={2**28}", "--disable-usage-stats",
    ]  # fmt: skip
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:  # a token for this cluster, which its clients inherit
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("PYTHONUNBUFFERED", "1")
        patch.setenv("RAY_raylet_start_wait_time_s", "120")
        head = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert head.stdout is not None
        try:
            said = []
            for line in head.stdout:
                said.append(line)
                if "Ray runtime started" in line:
                    break
            else:
                pytest.fail("".join(said))
            yield Cluster(address, head.pid)
        finally:
            head.terminate()
            head.wait(30)
            head.stdout.close()
