"""Tasks on Ray: the same work as in local processes, on the cores of a cluster; rows come back to this machine.

A separate driver process runs Ray, because a Ray that loses its head node or its machine kills or hangs its driver. A
driver that is silent for `SILENT_S` is killed, with all that it started. A task writes its rows to `task.spool` on the
machine that runs it. They come back in pieces and are at the same path here when the outcome is yielded, so one process
writes the store, as with local workers.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fabnet import errors
from fabnet.errors import FabnetError, InputError, MissingDependencyError, cannot_write, first_line
from fabnet.runtime.cores import num_cores
from fabnet.runtime.local import Worker
from fabnet.runtime.outcome import Outcome, Work, attempt, while_writable

__all__ = ["check_ray", "run_on_ray"]

ATTEMPTS = 3
"""Attempts at a task whose worker or machine dies, before it is recorded as failed."""
PIECE_BYTES = 2**23
PIECES_AHEAD = 4
STORE_BYTES = 2**28
"""Shared memory for results of a Ray that is started here; further results go to disk."""
LOOK_EVERY_S = 1.0
START_S, SILENT_S = 180.0, 60.0
"""How long the driver may be silent, before it is connected and afterwards. Ray hangs if a head node starts without a
worker node, as on a machine so busy that Ray's agent takes more than 15 s to start."""
PATIENCE = {
    "raylet_start_wait_time_s": "120",
    "gcs_rpc_server_reconnect_timeout_s": "20",
    "health_check_period_ms": "1000",
    "health_check_timeout_ms": "5000",
    "health_check_failure_threshold": "3",
}
"""Ray's timeouts for its own start and for lost nodes (a minute by default)."""


def check_ray(address: str | None) -> None:
    """Check that Ray can be used, before anything is written.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: the address needs Ray Client.
    """
    if find_spec("ray") is None:
        raise MissingDependencyError("--engine ray needs the package ray: pip install 'fabnet[ray]'")
    address = address or os.environ.get("RAY_ADDRESS") or ""
    if "://" in address:
        raise InputError(f"the Ray address {address} is not supported; expected HOST:PORT, on a machine of the cluster")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work
    tasks: Sequence[Any]
    address: str | None
    num_workers: int | None
    num_gpus: int
    folder: str
    """The command's working folder, to which paths are relative."""
    scratch: str
    """Temporary folder of a Ray that is started here."""


def run_on_ray(
    work: Work,
    tasks: Sequence[Any],
    *,
    num_workers: int | None,
    address: str | None,
    num_gpus: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[Outcome]:
    """Run `work(task, report)` for every task on a Ray cluster.

    A task whose worker or machine dies is retried, up to `ATTEMPTS` attempts in all. `fabnet` must be installed on
    every machine of the cluster, and the files that tasks name must have the same paths there.

    Args:
        work: a function at the top level of a module; `report(amount)` reports progress.
        tasks: dataclasses with a `spool`, the file that the work may write rows to.
        num_workers: tasks at once; None: as many as the cluster has cores.
        address: HOST:PORT of a running cluster; None: $RAY_ADDRESS, else a Ray is started on this machine and stopped
            afterwards.
        num_gpus: GPUs per task.
        on_progress: called in this process when a task ends, with the amount that its work reported.

    Yields:
        One outcome per task, in the order in which they end.

    Raises:
        FabnetError: the cluster cannot be reached, or was lost.
        OutputError: a disk is full.
    """
    if tasks:
        root = os.environ.get("RAY_TMPDIR", "/tmp")
        with _write_errors(Path(root)):
            made = tempfile.TemporaryDirectory(prefix="fabnet-", dir=root, ignore_cleanup_errors=True)
        with made as scratch:
            address = address or os.environ.get("RAY_ADDRESS") or None
            job = _Job(work, tasks, address, num_workers, num_gpus, os.getcwd(), scratch)
            yield from while_writable(_driven(job, on_progress or (lambda amount: None)))


def _driven(job: _Job, forward: Callable[[float], None]) -> Generator[Outcome, None, None]:
    driver = Worker(_drive)
    driver.give(job)
    patience_s = START_S
    try:
        while driver.pipe.poll(patience_s):
            kind, content = driver.pipe.recv()
            patience_s = SILENT_S
            if kind == "done":
                return
            if kind == "failed":
                name, message = content
                raise getattr(errors, name, FabnetError)(message)
            if content is not None:
                index, result, error, amount = content
                forward(amount)
                yield Outcome(job.tasks[index], result, error)
        raise _lost(job) if patience_s == SILENT_S else _unreachable(job, f"no answer in {START_S:.0f} s")
    except (EOFError, OSError):
        raise _lost(job) from None
    finally:
        driver.stop()
        _sweep(driver)


def _sweep(driver: Worker) -> None:
    """Kill what is left of a Ray that was started here: the driver's process group."""
    if sys.platform != "win32" and driver.process.pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(driver.process.pid, signal.SIGKILL)


def _lost(job: _Job) -> FabnetError:
    which = f"the cluster at {job.address}" if job.address else "the Ray that was started here"
    return FabnetError(f"{which} was lost; what was finished is kept: the same command goes on from there")


def _unreachable(job: _Job, reason: str) -> FabnetError:
    failed = f"the Ray cluster at {job.address} cannot be reached" if job.address else "Ray does not start here"
    return FabnetError(f"{failed}: {reason}")


def _drive(job: _Job, report: Callable[[Any], None]) -> None:
    """Main function of the driver: report (index, result, error, amount) of each task as it ends, None meanwhile."""
    ray = _connected(job)
    for ended in _ended(ray, job):
        report(ended)
    ray.shutdown()  # not after an error: it may hang then


def _connected(job: _Job) -> Any:
    if sys.platform != "win32":
        os.setsid()  # Ctrl-C then reaches only the parent, which ends this process
    for stream in (sys.stdout, sys.stderr):  # Ray's threads print to both
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for setting, value in PATIENCE.items():
        os.environ.setdefault(f"RAY_{setting}", value)
    import ray

    if not job.address:  # Ray's workers then import what this process can, installed or not
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    own = {
        "num_cpus": job.num_workers or num_cores(),
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_temp_dir": job.scratch,
    }
    try:
        with chdir(job.scratch):  # Ray adds the current folder to the import path of its workers
            ray.init(job.address or "local", log_to_driver=False, logging_level="ERROR", **({} if job.address else own))
    except Exception as error:  # Ray raises plain Exceptions, too
        reason = first_line(error)
        if "AuthToken" in str(error.__cause__):
            reason = "it needs a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH unless it is in a default path"
        raise _unreachable(job, reason) from error
    if job.num_gpus and not ray.cluster_resources().get("GPU"):
        raise InputError("a GPU was requested, but the Ray cluster has none: use --device cpu")
    return ray


def _ended(ray: Any, job: _Job) -> Iterator[tuple[int, Any, FabnetError | None, float] | None]:
    remote = ray.remote(_serve).options(
        num_returns="streaming", max_retries=0, num_cpus=1, num_gpus=job.num_gpus,
        _generator_backpressure_num_objects=PIECES_AHEAD,
    )  # fmt: skip
    parent, scratch = os.getppid(), None if job.address else job.scratch
    waiting = deque((index, 1) for index in range(len(job.tasks)))
    running: dict[Any, tuple[int, int]] = {}
    while (waiting or running) and os.getppid() == parent:
        while waiting and len(running) < (job.num_workers or 2 * ray.cluster_resources().get("CPU", 1)):
            index, number = waiting.popleft()
            running[remote.remote(job.work, job.tasks[index], job.folder, scratch)] = index, number
        ready, _ = ray.wait(list(running), timeout=LOOK_EVERY_S)
        yield None
        for pieces in ready:
            index, number = running.pop(pieces)
            try:
                fetched = yield from _fetched(ray, pieces, job.tasks[index].spool)
                yield index, *fetched
            except ray.exceptions.LocalRayletDiedError as error:
                raise _lost(job) from error
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", error)
                if isinstance(error, ray.exceptions.RayTaskError) and not isinstance(cause, MemoryError):
                    raise FabnetError(
                        f"the Ray workers cannot start ({first_line(cause)}); is this fabnet installed there?"
                    ) from error
                if number < ATTEMPTS:
                    waiting.append((index, number + 1))
                    continue
                reason = f"its Ray worker died {number} times ({type(cause).__name__})"
                yield index, None, FabnetError(f"{reason}: a corrupt file, or too little memory"), 0.0


def _fetched(
    ray: Any, pieces: Iterator[Any], spool: Path
) -> Generator[None, None, tuple[Any, FabnetError | None, float]]:
    """Fetch a task's rows into the spool here, yielding after each piece; return its result, error and amount."""
    result, error, amount = ray.get(next(pieces))
    if error is None:
        with _write_errors(spool):
            spool.parent.mkdir(parents=True, exist_ok=True)
            with spool.open("wb") as file:
                for piece in pieces:
                    file.write(ray.get(piece))
                    yield
    return result, error, amount


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error.errno or 0, error.strerror or first_line(error)) from error


def _serve(work: Work, task: Any, folder: str, root: str | None) -> Iterator[Any]:
    """Run a task on a worker of the cluster; yield its result, error and amount, then its rows in pieces.

    Args:
        work: the function to run.
        task: its argument.
        folder: the folder to which its paths are relative.
        root: the folder for scratch files; None: the machine's default.
    """
    with suppress(OSError):
        os.chdir(folder)
    tempfile.tempdir = root or tempfile.tempdir  # for models that are fetched: Ray's workers exit without cleaning up
    amounts: list[float] = []
    with tempfile.TemporaryDirectory(prefix="fabnet-", dir=root) as scratch:
        spool = Path(scratch) / task.spool.name
        result, error = attempt(work, replace(task, spool=spool), amounts.append)
        yield result, error, sum(amounts)
        if error is None and spool.is_file():
            with spool.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
