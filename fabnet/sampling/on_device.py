"""Copies the frames of steps to a CUDA device while the device still takes earlier steps."""

from __future__ import annotations

from collections.abc import Iterator

import torch

__all__ = ["on_device"]


def on_device(frames: Iterator[torch.Tensor], device: torch.device) -> Iterator[torch.Tensor]:
    """Copy frames to a CUDA device on a stream of their own; on a CPU they stay as they are.

    The host is a few steps ahead of the device, so the copy for a step runs beside the kernels of earlier steps.

    Args:
        frames: tensors in pinned memory; a copy from other memory makes the host wait.
        device: the device of the steps.

    Yields:
        The same tensors on the device, for work on the stream that is current when they are taken.
    """
    return _copied(frames, device) if device.type == "cuda" else frames


def _copied(frames: Iterator[torch.Tensor], device: torch.device) -> Iterator[torch.Tensor]:
    stream = torch.cuda.Stream(device)
    for pinned in frames:
        with torch.cuda.stream(stream):
            copied = pinned.to(device, non_blocking=True)
        steps = torch.cuda.current_stream(device)
        steps.wait_stream(stream)
        # The memory belongs to the copying stream, which would reuse it while a queued step still reads it.
        copied.record_stream(steps)
        yield copied
