"""Requests to stop: Ctrl-C, SIGTERM, a closed terminal. The process that the user started handles them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["STOPS", "interruptible", "raising", "stop_requests", "stops", "unheard"]

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""Ctrl-C, `kill`, a closed terminal, and Ctrl-Break on Windows."""


def stops() -> list[signal.Signals]:
    """The signals of `STOPS` that this process handles. SIGHUP stays ignored if `nohup` started it so."""
    hangups = STOPS[2:]
    return [number for number in STOPS if number not in hangups or signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def raising() -> Iterator[None]:
    """Make requests to stop raise KeyboardInterrupt in the block, as Ctrl-C does; no effect outside the main thread.

    Raises:
        KeyboardInterrupt: the process was asked to stop.
    """

    def stop(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop) for number in stops() if is_main and number is not signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible(what_is_kept: str) -> Iterator[None]:
    """Make each request to stop end the block the same way, with a message on how to continue.

    Raises:
        KeyboardInterrupt: with `what_is_kept` as its text.
    """
    try:
        with raising():
            yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what_is_kept) from None


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Turn requests to stop in the block into an event, so that what runs ends by itself; in the main thread only."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, ask) for number in stops()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unheard(*numbers: signal.Signals) -> Iterator[None]:
    """Make processes that are started in the block ignore signals that are sent to whole process groups.

    They inherit this from the main thread; in other threads, which cannot set it, nothing changes.

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
