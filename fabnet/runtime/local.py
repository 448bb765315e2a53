"""Worker processes: each runs one task at a time and reports its progress; if it dies, only that task fails.

Processes are spawned, because Lance and the video libraries are not safe to fork. A worker that dies (killed for
memory, or crashed in a decoder on a corrupt file) is replaced by a new one. The pool is written by hand, because a dead
worker breaks all tasks of `concurrent.futures` and is waited for without end by `multiprocessing.Pool`.
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
    """Run `work(task, report)` for every task in worker processes.

    Args:
        work: a function at the top level of a module; `report(amount)` reports progress.
        tasks: its arguments, which are pickled.
        num_workers: processes; None: one per core that this process may use; 0: run in this process, as always in a
            worker of multiprocessing.Pool, which may not start processes.
        on_progress: called in this process with each amount that the work reports, whatever its task.

    Yields:
        One outcome per task, in the order in which they end.

    Raises:
        OutputError: a worker could not write (e.g. the disk is full), so the other tasks would fail, too.
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
    """A worker process and the pipe to it.

    Args:
        work: the function that it calls for each task.
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
        """Send the worker its next task."""
        self.task = task
        with suppress(BrokenPipeError):  # a dead worker is noticed when its pipe is read
            self.pipe.send((task,))

    def death(self) -> FabnetError:
        """The error that says how the process ended."""
        self.process.join(5)
        code = self.process.exitcode
        reason = f"exit code {code}"
        if code is not None and code < 0:
            reason = f"signal {signal.Signals(-code).name}"
        elif code == 1:
            reason += "; a script must call fabnet under `if __name__ == '__main__':`"
        return FabnetError(f"its worker process died ({reason}): a corrupt file, or too little memory")

    def stop(self) -> None:
        """End the process, even in the middle of a task."""
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
    """Receive one message of a worker; return the outcome if its task ended. A dead worker keeps its `task`."""
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
    """Main function of a worker: run tasks until the pipe closes. Requests to stop are left to the parent."""
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
        return  # the parent has exited
