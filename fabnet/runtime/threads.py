"""Work in threads, with results in order and a bounded number of calls at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fabnet.runtime.cores import num_cores

__all__ = ["batched", "in_threads"]

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2
"""Calls queued beyond those that run, so that no thread is idle while the next item is drawn."""


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last one may be shorter."""
    waiting: list[T] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def in_threads(
    function: Callable[[T], R], items: Iterable[T], *, workers: int | None = None, ahead: int = AHEAD
) -> Iterator[R]:
    """Call a function on each item in threads while the caller's thread draws the next items.

    Args:
        function: a function that several threads may call at once.
        items: its arguments; they are drawn only a few calls ahead, so memory is bounded.
        workers: threads; None: one per core.
        ahead: calls queued beyond those that run.

    Yields:
        The results in the order of the items. Exceptions of the function and of the items are raised here.
    """
    workers = workers or num_cores()
    pool, waiting = ThreadPoolExecutor(workers, thread_name_prefix="fabnet"), deque[Future[R]]()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= workers + ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
