"""ONNX Runtime without its telemetry, which would look up a host from every process: import it from here."""

from __future__ import annotations

import os

for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # read at import; the name depends on the version
    os.environ[_name] = "1"

from functools import cache  # noqa: E402
from typing import Any  # noqa: E402

import onnxruntime  # noqa: E402

from fabnet.runtime.cores import num_cores  # noqa: E402

__all__ = ["is_beyond_memory", "limited_options", "onnxruntime"]

MAX_BYTES, BYTES_A_CORE = 2**32, 2**26
"""Memory limit per process for all networks from files, and what a batch of the shipped networks takes per core."""

if hasattr(onnxruntime, "disable_telemetry_events"):
    onnxruntime.disable_telemetry_events()  # in case other code imported it first


def limited_options() -> Any:
    """Options of a session for a network from a file: it fails if it needs more memory than the limit.

    All such sessions of a process share one pool, of `MAX_BYTES` or `BYTES_A_CORE` per core, whichever is more.
    """
    _reserve_pool()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 4  # errors are raised anyway
    return options


@cache
def _reserve_pool() -> None:
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limit = onnxruntime.OrtArenaCfg({"max_mem": max(MAX_BYTES, BYTES_A_CORE * num_cores())})
    onnxruntime.create_and_register_allocator(memory, limit)


def is_beyond_memory(error: Exception) -> bool:
    """Whether a network failed because it needed more memory than the limit."""
    return "BFCArena" in str(error)
