"""Work in threads: order, bounds, errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fabnet.runtime.threads import batched, in_threads


def test_batches_keep_order_and_lose_nothing() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_results_come_in_order_whichever_is_done_first() -> None:
    def slowest_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0.0)
        return number

    assert list(in_threads(slowest_first, range(20), workers=3)) == list(range(20))


def test_the_source_is_drawn_only_a_few_calls_ahead() -> None:
    drawn = []

    def source() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = in_threads(lambda number: number, source(), workers=2)
    assert next(results) == 0
    assert len(drawn) <= 4
    results.close()  # type: ignore[attr-defined]
    assert len(drawn) <= 4


def test_calls_run_at_once_and_in_parallel_with_the_source() -> None:
    both, names = threading.Barrier(2, timeout=10), set()

    def meet(number: int) -> None:
        names.add(threading.current_thread().name)
        both.wait()

    list(in_threads(meet, range(4), workers=2))
    assert len(names) == 2


def test_errors_of_a_call_or_of_the_source_are_raised() -> None:
    def no_three(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = in_threads(no_three, range(10), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)

    def broken() -> Iterator[int]:
        yield 0
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(in_threads(no_three, broken(), workers=2))
