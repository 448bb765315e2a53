"""Runs real command-line processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

__all__ = ["TRACK", "named_often", "started", "timed"]

TRACK = ("--fps", 5, "--link-fps", 10, "--size", 64, "--num-workers", 1)


def started(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fabnet", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def timed(*args: object) -> float:
    """Duration of a command in seconds."""
    began = time.monotonic()
    process = started(*args)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return time.monotonic() - began


def named_often(store: Path, folder: Path, count: int) -> list[Path]:
    """Links to a store, so that it can be given to `embed` several times, which reads each name only once."""
    links = [folder / f"{store.name}-{number}" for number in range(count)]
    for link in links:
        link.symlink_to(store)
    return links
