from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKS = r"""
import ctypes, re, sys
from pathlib import Path
from fabnet.runtime.memory import give_back_freed_blocks

if sys.argv[1] == "given back":
    give_back_freed_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def resident_mb():
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def filled(size):
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    return block

libc.free(filled(30 << 20))  # after this, glibc takes blocks of this size from the heap
before = resident_mb()
blocks = [filled(4 << 20) for _ in range(50)]
last = filled(3 << 20)  # keeps the end of the heap in use
for block in blocks:
    libc.free(block)
blocks.clear()
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's habit")
def test_freed_blocks_are_returned_to_the_system() -> None:
    kept, given_back = (
        float(subprocess.check_output([sys.executable, "-c", BLOCKS, how], text=True)) for how in ("kept", "given back")
    )
    assert given_back < 10
    assert kept > 100
