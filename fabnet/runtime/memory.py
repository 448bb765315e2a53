"""Memory of this process: returns freed blocks to the system, and measures what is in use."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

__all__ = ["give_back_freed_blocks", "resident_bytes"]

M_MMAP_THRESHOLD = -3
BLOCK_BYTES = 2**20


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
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES)


def resident_bytes() -> int:
    """Memory that this process uses now, or its peak if the system reports only that; 0: neither is known."""
    if sys.platform == "win32":
        return 0
    with suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
