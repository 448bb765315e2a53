"""Ctrl-C and SIGTERM: heard by the process that a person started, unheard by those that it starts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["interruptible", "unheard"]


@contextmanager
def interruptible(what_is_kept: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block the same way, with a word on how to go on.

    Raises:
        KeyboardInterrupt: with `what_is_kept` as its text.
    """

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if is_main else None
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what_is_kept) from None
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def unheard(*numbers: signal.Signals) -> Iterator[None]:
    """Have the processes that are started in the block ignore signals that go to whole groups of processes.

    They inherit it. Outside the main thread, which alone may say so, nothing is changed.

    Args:
        numbers: the signals.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers if is_main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
