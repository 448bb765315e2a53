"""What becomes of memory that was freed."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pyarrow as pa

__all__ = ["give_back_freed_blocks", "resident_bytes"]

M_MMAP_THRESHOLD = -3
BLOCK_BYTES = 2**20


def give_back_freed_blocks() -> None:
    """Have this process give freed blocks of a MiB or more back to the system at once, for the rest of its life.

    Arrow is told to take its blocks from the C library: its own pool keeps freed ones for itself, too.

    By default glibc takes every freed large block as a sign that more of them will come, and from then on keeps blocks
    of up to 32 MiB for itself, in a heap a thread, full of holes: the memory of a process that streams batches through
    several threads grows for minutes. Other C libraries have no such habit, and nothing is done.

    Source:
        `M_MMAP_THRESHOLD` in mallopt(3): setting it turns its growing off.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES)


def resident_bytes() -> int:
    """How much memory this process takes now; where the system does not say, the most it took; 0: that neither."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        pass
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
