"""ONNX Runtime without its telemetry, which looks up a host from every process that embeds: import it from here."""

from __future__ import annotations

import os

for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # read when it is imported, by its versions
    os.environ[_name] = "1"

from functools import cache  # noqa: E402
from typing import Any  # noqa: E402

import onnxruntime  # noqa: E402

from fabnet.runtime.cores import num_cores  # noqa: E402

__all__ = ["is_beyond_memory", "limited_options", "onnxruntime"]

MAX_BYTES, BYTES_A_CORE = 2**32, 2**26
"""Memory of all networks from files in a process; and what a batch of the shipped ones takes on each core."""

if hasattr(onnxruntime, "disable_telemetry_events"):
    onnxruntime.disable_telemetry_events()  # where something else had imported it before


def limited_options() -> Any:
    """Options of a session for a network from a file, which fails where it would take more than `MAX_BYTES`.

    All such sessions of a process take their memory from one pool.
    """
    _reserve_pool()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 4  # what fails is raised, too
    return options


@cache
def _reserve_pool() -> None:
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limit = onnxruntime.OrtArenaCfg({"max_mem": max(MAX_BYTES, BYTES_A_CORE * num_cores())})
    onnxruntime.create_and_register_allocator(memory, limit)


def is_beyond_memory(error: Exception) -> bool:
    """Whether a network failed because it asked for more memory than there is for it."""
    return "BFCArena" in str(error)
