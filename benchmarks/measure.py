"""Timing on a machine that wavers, in rounds in which everything compared runs once; and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

PAUSE_S = 0.5

__all__ = ["Timing", "interleaved", "memory_mib", "ratio", "timed"]


class Timing(NamedTuple):
    """Seconds that one call took, in each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.seconds)

    def rate(self, count: float) -> str:
        """How many a second when a call does `count`: the median and the range over the rounds."""
        return f"{count / self.median:.4g} [{count / max(self.seconds):.4g}, {count / min(self.seconds):.4g}]"


def interleaved(
    work: Mapping[str, Callable[[], object]], *, rounds: int = 7, warm_up: int = 2, at_least_s: float = 0.5
) -> dict[str, Timing]:
    """Time each piece of work in every round; within a round it repeats until `at_least_s` have passed.

    Before each there is a pause: what ran before may still be filling its queues.
    """
    for call in work.values():
        for _ in range(warm_up):
            call()
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            time.sleep(PAUSE_S)
            began, count = time.perf_counter(), 0
            while count == 0 or time.perf_counter() - began < at_least_s:
                call()
                count += 1
            taken[name].append((time.perf_counter() - began) / count)
    return {name: Timing(tuple(seconds)) for name, seconds in taken.items()}


def ratio(slow: Timing, fast: Timing, *, per: float = 1) -> str:
    """How many times faster, round by round, for `per` times the work: the median and the range."""
    each = [per * one / other for one, other in zip(slow.seconds, fast.seconds, strict=True)]
    return f"{statistics.median(each):.2f} x [{min(each):.2f}, {max(each):.2f}]"


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def memory_mib(which: Literal["now", "peak"] = "peak", *, process: int | Literal["self"] = "self") -> float:
    """Resident memory of a process, or the most that it has had, in MiB.

    `getrusage` would count the peak of the process that started it, too.
    """
    status = Path(f"/proc/{process}/status").read_text()
    name = {"now": "VmRSS:", "peak": "VmHWM:"}[which]
    return int(status.split(name)[1].split()[0]) / 1024
