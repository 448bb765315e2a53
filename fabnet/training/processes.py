"""Several processes that train one model: their ranks, and communication between them.

torchrun starts them and sets their ranks in the environment. Each draws its part of the same global batch.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from inspect import signature
from types import FrameType
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fabnet.errors import InputError, TrainingError, first_line
from fabnet.training.global_batch_norm import with_global_batch_norm
from fabnet.training.stopping import InterruptedRunError

__all__ = ["Processes", "gather", "processes", "shared", "wait_for_all"]

TIMEOUT = timedelta(minutes=10)
LOST = (
    "another process of this run ended, so this one cannot continue; see its message, then run the same command with "
    "--resume"
)


class Processes(NamedTuple):
    """This process among those of a run."""

    rank: int = 0
    """Rank of this process, from 0; only the first process writes."""
    world_size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Rank of this process on its machine, the index of its CUDA device."""
    local_world_size: int = 1
    """Number of the run's processes on this machine, which share its cores."""

    @property
    def is_first(self) -> bool:
        """Whether this is the first process, which writes."""
        return self.rank == 0


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the other processes of the run for the block; without torchrun there is one process.

    Args:
        device: the device of this process, which becomes torch's current one. Tensors on CUDA pass through NCCL,
            others through gloo, so that what the processes agree on needs no device.

    Raises:
        InputError: torchrun's environment variables are incomplete, or the device cannot be that of this process.
        TrainingError: another process ended, so that this one waited in vain.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if device.type == "cuda":
        torch.cuda.set_device(device)  # pinned memory and NCCL would otherwise take the first device in every process
    if "WORLD_SIZE" not in os.environ:
        yield Processes()
        return
    try:
        rank, world_size, local_rank = (int(os.environ[name]) for name in names)
        me = Processes(rank, world_size, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", world_size)))
    except (KeyError, ValueError):
        raise InputError(f"start several processes with torchrun, which sets {', '.join(names)}") from None
    if me.world_size == 1:
        yield me
        return
    _check_device(device, me)
    is_in_step = False
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
        with _last_words():
            yield me
        is_in_step = True
    except InterruptedRunError:
        is_in_step = True
        raise
    except (dist.DistError, RuntimeError) as error:
        if not _is_lost(error):
            raise
        raise TrainingError(f"{LOST} ({first_line(error)})") from error
    finally:
        # NCCL waits for the other processes here. After a failure they do not come, and the error would not be printed.
        if dist.is_initialized() and (is_in_step or device.type != "cuda"):
            # A reference cycle to the group would keep its threads running until the interpreter exits, where they
            # abort the process.
            gc.collect()
            dist.destroy_process_group()


def _check_device(device: torch.device, me: Processes) -> None:
    if device.type != "cuda":
        return
    if me.local_world_size > 1 and device.index != me.local_rank:
        raise InputError(
            f"{me.local_world_size} processes on this machine cannot share {device}: give --device cuda, which is "
            "another GPU in each"
        )
    if not dist.is_nccl_available():
        raise InputError(
            "several processes on CUDA need NCCL, which this torch lacks, as every torch for Windows does: train in "
            "one process, or give --device cpu"
        )


@contextmanager
def _last_words() -> Iterator[None]:
    """Let this process report why it ends, because torchrun sends SIGTERM to all processes as soon as one ends.

    Raises:
        TrainingError: on SIGTERM. Once the block has failed, SIGTERM is ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise TrainingError(LOST)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise
    signal.signal(signal.SIGTERM, before)


def _is_lost(error: BaseException) -> bool:
    if isinstance(error, dist.DistError):
        return True
    words = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", "timed out")
    return any(word in str(error).lower() for word in words)


def shared(network: nn.Module, device: torch.device) -> DistributedDataParallel:
    """Share a network among all processes: gradients are their mean, and batch norms are of the global batch.

    Args:
        network: the network, with the same weights in every process; its layers are changed in place.
        device: the device of this process, where the network is.
    """
    devices = [device] if device.type == "cuda" else None
    # Newer versions of torch have another name for this option, and warn of the old one.
    is_new = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
    options: dict[str, Any] = {"forward_sync_buffers" if is_new else "broadcast_buffers": False}
    return DistributedDataParallel(with_global_batch_norm(network), device_ids=devices, **options)


def gather(values: torch.Tensor) -> torch.Tensor:
    """Gather a tensor from all processes.

    Args:
        values: (N, ...), the same shape in every process.

    Returns:
        (world size x N, ...) in order of rank, the same in every process; without gradient.
    """
    if not dist.is_initialized():
        return values.detach()
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values.detach().contiguous())
    return torch.cat(parts)


def wait_for_all() -> None:
    """Wait until every process of the run has called this."""
    gather(torch.zeros(1))
