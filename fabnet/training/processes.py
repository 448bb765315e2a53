"""Several processes that train one model: who is who, and what they tell each other.

Started by torchrun, which names the processes in their environment. Each draws its part of the same global batch.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import NamedTuple

import torch
import torch.distributed as dist

from fabnet.errors import InputError, TrainingError

__all__ = ["Processes", "gather", "processes", "wait_for_all"]

TIMEOUT = timedelta(minutes=10)
LOST = (
    "another process of this run ended, so this one cannot go on; look at its message, then start the same command "
    "with --resume"
)


class Processes(NamedTuple):
    """Where this process stands among those of a run.

    Attributes:
        rank: of this process, from 0; only the first one writes.
        world_size: how many there are.
        local_rank: of this process on its machine; its CUDA device.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the other processes of the run while the block runs; alone where torchrun started none.

    Args:
        device: where this process computes: NCCL on CUDA, gloo elsewhere.

    Raises:
        InputError: torchrun's environment is incomplete.
        TrainingError: another process ended, and what this one waited for never came.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "WORLD_SIZE" not in os.environ:
        yield Processes()
        return
    try:
        me = Processes(*(int(os.environ[name]) for name in names))
    except (KeyError, ValueError):
        raise InputError(f"start several processes with torchrun: it sets {', '.join(names)}") from None
    if me.world_size == 1:
        yield me
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
        with _last_words():
            yield me
    except (dist.DistError, RuntimeError) as error:
        if not _is_lost(error):
            raise
        raise TrainingError(LOST) from error
    finally:
        if dist.is_initialized():
            # What still refers to the group, in a cycle say, would keep its threads running into the interpreter's end,
            # where they abort the process.
            gc.collect()
            dist.destroy_process_group()


@contextmanager
def _last_words() -> Iterator[None]:
    """See that this process can say why it ends: where one has ended, torchrun sends the others SIGTERM at once.

    Raises:
        TrainingError: at SIGTERM, where nothing else handles it. Once the block has failed, it is ignored.
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


def gather(values: torch.Tensor) -> torch.Tensor:
    """Bring together what all processes hold.

    Args:
        values: (N, ...) the same shape in each.

    Returns:
        (world size x N, ...) in order of rank, the same in each; without gradient.
    """
    if not dist.is_initialized():
        return values.detach()
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values.detach().contiguous())
    return torch.cat(parts)


def wait_for_all() -> None:
    """Wait until every process of the run has come here."""
    if dist.is_initialized():
        dist.barrier()
