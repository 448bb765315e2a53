"""Worker processes: one task each at a time, progress on the way, and a death that costs one task only.

Processes are spawned (Lance and the video libraries are not safe to fork). A worker that dies - killed for memory, or
crashed inside a decoder on a damaged file - fails the task it was at; a new one takes its place.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from fabnet import errors
from fabnet.errors import FabnetError
from fabnet.runtime.children import starting
from fabnet.runtime.cores import num_cores
from fabnet.runtime.outcome import Outcome, Work, attempt, while_writable

__all__ = ["Worker", "run_tasks"]


def run_tasks(
    work: Work, tasks: Sequence[Any], *, num_workers: int | None, on_progress: Callable[[float], None] | None = None
) -> Iterator[Outcome]:
    """Do `work(task, report)` for every task, in processes of their own.

    Args:
        work: a function at the top of a module; `report(amount)` tells how far it has come.
        tasks: what to do; they are sent to other processes.
        num_workers: processes; None: one a core (of those this process may use); 0: none, in this process, as in a
            worker of multiprocessing.Pool, which may have no processes of its own.
        on_progress: called here with the amounts that the work reports, of all tasks added up.

    Yields:
        An outcome a task, in the order they end.

    Raises:
        OutputError: a worker could not write: the disk is full, and no other task would fare better.
    """
    forward = on_progress or (lambda amount: None)
    if num_workers is None:
        num_workers = num_cores()
    outcomes = _serial(work, tasks, forward)
    if num_workers > 0 and tasks and not multiprocessing.current_process().daemon:
        outcomes = _parallel(work, deque(tasks), min(num_workers, len(tasks)), forward)
    yield from while_writable(outcomes)


def _serial(work: Work, tasks: Sequence[Any], forward: Callable[[float], None]) -> Generator[Outcome, None, None]:
    for task in tasks:
        result, error = attempt(work, task, forward)
        yield Outcome(task, result, error)


class Worker:
    """One process and the pipe to it.

    Args:
        work: what it does with the tasks it is given.
    """

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, theirs), daemon=True)
        with starting(heeds_sigterm=True):
            self.process.start()
        theirs.close()
        self.task: Any = None

    def give(self, task: Any) -> None:
        """Send it its next task."""
        self.task = task
        with suppress(BrokenPipeError):  # it has died: reading from it will tell
            self.pipe.send((task,))

    def death(self) -> FabnetError:
        """Say how the process ended."""
        self.process.join(5)
        code = self.process.exitcode
        reason = f"exit code {code}"
        if code is not None and code < 0:
            reason = f"signal {signal.Signals(-code).name}"
        elif code == 1:
            reason += "; a script of yours must call fabnet under `if __name__ == '__main__':`"
        return FabnetError(f"its worker process died ({reason}): a damaged file, or too little memory")

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self.pipe.close()
        self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _parallel(
    work: Work, tasks: deque, num_workers: int, forward: Callable[[float], None]
) -> Generator[Outcome, None, None]:
    workers: list[Worker] = []
    try:
        for _ in range(num_workers):
            workers.append(Worker(work))
            workers[-1].give(tasks.popleft())
        while workers:
            for pipe in wait([worker.pipe for worker in workers]):
                worker = next(each for each in workers if each.pipe is pipe)
                outcome = _heard(worker, forward)
                if outcome is None:
                    continue
                is_dead = worker.task is not None
                if is_dead or not tasks:
                    workers.remove(worker)
                    worker.stop()
                if tasks:
                    if is_dead:
                        worker = Worker(work)
                        workers.append(worker)
                    worker.give(tasks.popleft())
                yield outcome
    finally:
        for worker in workers:
            worker.stop()


def _heard(worker: Worker, forward: Callable[[float], None]) -> Outcome | None:
    """Take one message of a worker; the outcome if its task ended. A dead worker keeps its task."""
    try:
        kind, content = worker.pipe.recv()
    except (EOFError, OSError):
        return Outcome(worker.task, error=worker.death())
    if kind == "progress":
        forward(content)
        return None
    task, worker.task = worker.task, None
    if kind == "done":
        return Outcome(task, content)
    name, message = content
    return Outcome(task, error=getattr(errors, name, FabnetError)(message))


def _serve(work: Work, pipe: Connection) -> None:
    """The life of a worker: tasks until the pipe closes. Requests to stop are the parent's to handle, and ignored."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        while True:
            (task,) = pipe.recv()
            result, error = attempt(work, task, lambda amount: pipe.send(("progress", amount)))
            if error is not None:
                pipe.send(("failed", (type(error).__name__, str(error))))
            else:
                pipe.send(("done", result))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone
