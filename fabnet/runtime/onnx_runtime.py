"""ONNX Runtime without its telemetry, which would look up a host from every process: import it from here."""

from __future__ import annotations

import os

for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # read at import; the name depends on the version
    os.environ[_name] = "1"

from functools import cache  # noqa: E402
from typing import Any  # noqa: E402

import onnxruntime  # noqa: E402

from fabnet.errors import InputError, MissingDependencyError  # noqa: E402
from fabnet.runtime.cores import num_cores  # noqa: E402

__all__ = [
    "HOW_TO_CUDA",
    "detector_options",
    "has_cuda",
    "is_beyond_memory",
    "limited_options",
    "onnxruntime",
    "open_network",
    "providers_of",
]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
HOW_TO_CUDA = "pip uninstall onnxruntime, then pip install onnxruntime-gpu, with the CUDA and cuDNN that it asks for"

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


def detector_options() -> Any:
    """Options of a session for a small network that ships: one thread, because callers run several at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    return options


@cache
def _reserve_pool() -> None:
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limit = onnxruntime.OrtArenaCfg({"max_mem": max(MAX_BYTES, BYTES_A_CORE * num_cores())})
    onnxruntime.create_and_register_allocator(memory, limit)


def providers_of(device: str) -> list[Any]:
    """The execution providers for a device, the first for what it can do, the CPU's for the rest.

    Args:
        device: "auto", which is the CPU, "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: the device is unknown.
    """
    if device in ("auto", "cpu"):
        return [CPU]
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (device == kind or number.isdecimal()):
        raise InputError(f"unknown device {device!r}: choose auto, cpu, cuda or cuda:N")
    # Pictures come in many sizes, and the default search for the fastest convolution would run anew for each.
    how = {"device_id": number or "0", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    return [(CUDA, how), CPU]


def has_cuda() -> bool:
    """Whether this ONNX Runtime was built for CUDA, as the package onnxruntime-gpu is."""
    return CUDA in onnxruntime.get_available_providers()


def open_network(network: str | bytes, options: Any, device: str = "cpu", **how: Any) -> Any:
    """Open a network on a device.

    Args:
        network: its file, or the content of one.
        options: the session's options.
        device: see `providers_of`.
        how: further arguments of the session.

    Raises:
        InputError: the device is unknown.
        MissingDependencyError: CUDA is asked for, and ONNX Runtime cannot use it here.
        Exception: the network cannot be loaded; ONNX Runtime's errors share no narrower base.
    """
    providers = providers_of(device)
    if len(providers) > 1:
        if not has_cuda():
            raise MissingDependencyError(f"this ONNX Runtime has no CUDA: {HOW_TO_CUDA}; or use --device cpu")
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # torch's copies of CUDA's libraries, where they are not the system's
    session = onnxruntime.InferenceSession(network, options, providers=providers, **how)
    if len(providers) > 1 and CUDA not in session.get_providers():  # it only warns, and goes on with the CPU
        raise MissingDependencyError(f"ONNX Runtime cannot start CUDA on {device}: {HOW_TO_CUDA}; or use --device cpu")
    return session


def is_beyond_memory(error: Exception) -> bool:
    """Whether a network failed because it needed more memory than the limit."""
    return "BFCArena" in str(error)
