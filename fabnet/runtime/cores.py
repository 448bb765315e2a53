"""The number of cores that this process may use, and how it shares them."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path, PurePosixPath

__all__ = ["num_cores", "sleep_soon"]

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
SPINS = 20_000
"""Turns of a loop, some tens of microseconds, for which a thread of OpenMP waits actively before it sleeps. By default
it waits for milliseconds and keeps other threads off its core: beside two busy processes on two cores, a training step
took 822 ms in the median and up to 12 s, with this 464 and at most 556; alone 166 and 168."""


def num_cores() -> int:
    """The number of cores that this process may use: its CPU affinity, limited by a container's quota (rounded up)."""
    if sys.version_info >= (3, 13):
        bound = os.process_cpu_count() or 1
    else:
        bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _quota())))


def sleep_soon() -> None:
    """Make idle threads of GNU OpenMP, which torch uses on Linux, sleep soon; without effect once torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))


def _quota() -> float:
    """CPU seconds per second that the control groups of this process and their parents allow; infinite: no limit.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and, for version 1,
    https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us, -1 without a limit).
    """
    quota = math.inf
    for line in (_words(OWN_GROUPS) or "").splitlines():
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number != "0" and "cpu" not in kinds.split(","):
            continue
        mounted = GROUPS if number == "0" else GROUPS / "cpu"
        names = PurePosixPath(path).parts[1:]
        for depth in range(len(names) + 1):  # a container may see its own group as the root
            folder = mounted.joinpath(*names[:depth])
            if number == "0":
                limit = _words(folder / "cpu.max")
            else:
                limit = f"{_words(folder / 'cpu.cfs_quota_us')} {_words(folder / 'cpu.cfs_period_us')}"
            quota = min(quota, _cores(limit or ""))
    return quota


def _words(file: Path) -> str | None:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _cores(limit: str) -> float:
    try:
        quota, period = map(int, limit.split())
    except ValueError:  # "max", or the file is missing
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf
