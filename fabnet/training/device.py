"""Device and precision of training."""

from __future__ import annotations

import os
from contextlib import suppress

import torch

from fabnet.errors import InputError

__all__ = ["autocast", "choose_device", "choose_precision"]


def choose_device(name: str) -> torch.device:
    """Choose a device by name: "auto" is CUDA if available; "cuda" is the device of this process's local rank.

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
        raise InputError(f"unknown device {name!r}: choose auto, cpu, cuda or cuda:N")
    there = torch.cuda.device_count()
    if device.type == "cuda" and device.index >= there:
        raise InputError(f"device {name} was requested, but torch finds {there} CUDA devices; use --device cpu")
    return device


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Choose the dtype of convolutions: "auto" is bf16 if the processor has instructions for it, otherwise float32."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        has_bf16 = any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return torch.bfloat16 if has_bf16 else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return a context in which convolutions compute in `dtype`; weights and losses stay float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
