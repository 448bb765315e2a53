"""Memory of this process: what becomes of freed blocks, and how much is in use."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

__all__ = ["give_back_freed_blocks", "keep_freed_blocks", "resident_bytes"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
BLOCK_BYTES = 2**20
KEPT_BYTES = 2**31 - 1
MOST_MAPPED, TRIMMED_BYTES = 65536, 2**17
"""What glibc begins with."""


def give_back_freed_blocks() -> None:
    """Make this process return freed blocks of 1 MiB or more to the system at once, until it exits.

    Arrow is set to allocate from the C library, because its own pool keeps freed blocks, too.

    Each time a large block is freed, glibc raises the size up to which it keeps freed blocks (at most 32 MiB), in one
    fragmented heap per thread: the memory of a process that streams batches through several threads grows for minutes.
    Other C libraries do not do this, so nothing is set there.

    Source:
        `M_MMAP_THRESHOLD` in mallopt(3): setting it turns this adjustment off.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    _set(M_MMAP_THRESHOLD, BLOCK_BYTES)
    _set(M_MMAP_MAX, MOST_MAPPED)
    _set(M_TRIM_THRESHOLD, TRIMMED_BYTES)


def keep_freed_blocks() -> None:
    """Make this process keep freed blocks, up to 2 GiB, for its next ones, until it exits.

    A training step takes and frees the same blocks again and again. glibc returns those above 32 MiB to the system at
    once, which has to clear each page that it hands out: a seventh of the step's time at 128 px.

    Source:
        `M_MMAP_MAX` and `M_TRIM_THRESHOLD` in mallopt(3).
    """
    _set(M_MMAP_MAX, 0)
    _set(M_TRIM_THRESHOLD, KEPT_BYTES)


def _set(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(parameter, value)


def resident_bytes() -> int:
    """Memory that this process uses now, or its peak if the system reports only that; 0: neither is known."""
    if sys.platform == "win32":
        return 0
    with suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
