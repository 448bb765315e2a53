"""Engines that run tasks: in processes on this machine, or on a Ray cluster. The work and its results are the same."""

from __future__ import annotations

from functools import partial

from fabnet.errors import InputError
from fabnet.runtime.cluster import check_ray, run_on_ray
from fabnet.runtime.local import run_tasks
from fabnet.runtime.outcome import Engine, Outcome

__all__ = ["Engine", "Outcome", "engine_for", "run_tasks"]


def engine_for(
    name: str, *, num_workers: int | None = None, ray_address: str | None = None, num_gpus: int = 0
) -> Engine:
    """Choose an engine.

    Args:
        name: "local" or "ray".
        num_workers: tasks at once; None: one per core.
        ray_address: HOST:PORT of a running Ray cluster; None: $RAY_ADDRESS, else a Ray is started on this machine and
            stopped afterwards.
        num_gpus: GPUs per task, which Ray assigns.

    Raises:
        InputError: the engine does not exist, or takes no address.
        MissingDependencyError: Ray is not installed.
    """
    if name == "ray":
        check_ray(ray_address)
        return partial(run_on_ray, num_workers=num_workers, address=ray_address, num_gpus=num_gpus)
    if name != "local":
        raise InputError(f"there is no engine {name!r}; expected local or ray")
    if ray_address is not None:
        raise InputError(f"a Ray address ({ray_address}) needs --engine ray")
    return partial(run_tasks, num_workers=num_workers)
