"""Where tasks are done: in processes of this machine, or on a Ray cluster. The work and its results are the same."""

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
        num_workers: tasks at once; None: one a core.
        ray_address: HOST:PORT of a running Ray cluster; None: $RAY_ADDRESS, else a Ray of this machine's own, which is
            stopped afterwards.
        num_gpus: GPUs that a task needs, for Ray to find.

    Raises:
        InputError: there is no such engine, or it does not go with the address.
        MissingDependencyError: Ray is not installed.
    """
    if name == "ray":
        check_ray(ray_address)
        return partial(run_on_ray, num_workers=num_workers, address=ray_address, num_gpus=num_gpus)
    if name != "local":
        raise InputError(f"no engine is called {name!r}; there is local and ray")
    if ray_address is not None:
        raise InputError(f"a Ray address ({ray_address}) goes with --engine ray")
    return partial(run_tasks, num_workers=num_workers)
