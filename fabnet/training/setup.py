"""How a run uses the machine that it is on: precision, worker processes, compilation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import nn

from fabnet.errors import TrainingError, first_line
from fabnet.runtime.cores import num_cores
from fabnet.training.config import TrainConfig
from fabnet.training.device import choose_precision
from fabnet.training.processes import Processes

__all__ = ["Setup", "choose_compile", "choose_num_workers", "compile_errors", "compiled", "setup_of"]

CORES_A_WORKER = 10
"""Cores of a CPU whose steps one worker feeds: it loads 5.6 times as fast as a step on two cores trains
(docs/performance.md)."""
MOST_WORKERS = 16
"""Upper bound on the workers of a process on CUDA. Each takes some 0.35 GB of memory, and at 2,000 pairs a second for
each (64 px, docs/performance.md) sixteen load 32,000."""
LEAST_CAPABILITY = (7, 0)
"""Compute capability of a CUDA device from which Triton, which torch.compile uses there, supports it."""


class Setup(NamedTuple):
    """What a process of a run uses of its machine."""

    device: torch.device
    """Device of the steps."""
    dtype: torch.dtype
    """Dtype of convolutions."""
    num_workers: int
    """Worker processes that load frames."""
    is_compiled: bool
    """Whether the network is compiled."""
    world_size: int
    """Number of the run's processes."""

    def to_json(self) -> dict[str, Any]:
        """Return the setup as a JSON object."""
        precision = "bf16" if self.dtype == torch.bfloat16 else "float32"
        rest = {"num_workers": self.num_workers, "compile": self.is_compiled, "processes": self.world_size}
        return {"device": self.device.type, "precision": precision} | rest


def setup_of(config: TrainConfig, device: torch.device, me: Processes) -> Setup:
    """Choose what the configuration leaves open, for this machine."""
    num_workers = config.num_workers
    if num_workers is None:
        num_workers = choose_num_workers(device.type, cores=num_cores(), processes=me.local_world_size)
    is_compiled = choose_compile(
        config.compile, device.type, processes=me.world_size, has_triton=find_spec("triton") is not None,
        capability=torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0),
    )  # fmt: skip
    return Setup(device, choose_precision(config.precision, device), num_workers, is_compiled, me.world_size)


def choose_num_workers(device: str, *, cores: int, processes: int = 1) -> int:
    """Choose how many worker processes load frames for each process of a run.

    On a CPU the step needs the cores itself, and a worker feeds many of them. On CUDA the step needs one core, which
    queues its kernels, and the others load.

    Args:
        device: type of the device, "cpu" or "cuda".
        cores: cores that this process may use.
        processes: processes of the run on this machine, which share the cores.
    """
    share = max(1, cores // processes)
    wanted = share - 1 if device == "cuda" else -(-share // CORES_A_WORKER)
    return min(max(1, wanted), MOST_WORKERS)


def choose_compile(choice: str, device: str, *, processes: int, has_triton: bool, capability: tuple[int, int]) -> bool:
    """Choose whether to compile the network.

    A step at the paper's batch of 8 is hundreds of short kernels, which a compiled network fuses to fewer. On a CPU the
    convolutions take nearly all of the time, and compiling takes minutes. Several processes exchange the statistics of
    every batch-norm in the middle of the network, so that there is less to fuse.

    Args:
        choice: "on", "off" or "auto".
        device: type of the device, "cpu" or "cuda".
        processes: processes of the run.
        has_triton: whether Triton is installed.
        capability: compute capability of the CUDA device.
    """
    if choice != "auto":
        return choice == "on"
    return device == "cuda" and processes == 1 and has_triton and capability >= LEAST_CAPABILITY


def compiled(network: nn.Module, **how: Any) -> nn.Module:
    """Compile a network in place; its weights and their names stay the same. Calls of `forward` are not compiled.

    Args:
        network: the network.
        how: arguments of `torch.compile`.
    """
    # The cached matrices of the upsampling are traced as constants, which is right: they depend on sizes alone.
    warnings.filterwarnings("ignore", message=r"(?s)Dynamo detected a call to a `functools.lru_cache`")
    network.compile(**how)
    return network


@contextmanager
def compile_errors() -> Iterator[None]:
    """Report errors of torch.compile, which compiles at the first steps, in one line.

    Raises:
        TrainingError: the network cannot be compiled here.
    """
    try:
        yield
    except Exception as error:  # torch's errors of this kind have no public base
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise TrainingError(f"torch.compile failed here ({first_line(error)}): run again with --compile off") from error
