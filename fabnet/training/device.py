"""Where training runs, and in which precision."""

from __future__ import annotations

import os
from contextlib import suppress

import torch

from fabnet.errors import InputError

__all__ = ["autocast", "choose_device", "choose_precision"]


def choose_device(name: str) -> torch.device:
    """A device by name; "auto" is CUDA where there is one, and "cuda" the one of this process's number under torchrun.

    Raises:
        InputError: the name is unknown, or the machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    device = None
    with suppress(RuntimeError):
        device = torch.device(name)
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"no device is called {name!r}; expected auto, cpu, cuda or cuda:N")
    there = torch.cuda.device_count()
    if device.type == "cuda" and device.index >= there:
        raise InputError(f"device {name} was asked for, but torch sees {there} CUDA devices; use --device cpu")
    return device


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """The dtype that convolutions compute in: bfloat16 where "auto" finds that the processor has it."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported()
    else:
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        has_bf16 = any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return torch.bfloat16 if has_bf16 else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """A context in which convolutions compute in `dtype`; weights and losses stay float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
