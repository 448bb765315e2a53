"""Requests to stop: Ctrl-C, SIGTERM, a closed terminal. The process that the user started handles them."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["STOPS", "held", "interruptible", "raising", "stop_requests", "stops", "unheard"]

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""Ctrl-C, `kill`, a closed terminal, and Ctrl-Break on Windows."""
AGAIN_S = 0.05
"""Time after which a request that came at a bad moment is made again."""
IMPORTS = "<frozen importlib._bootstrap>"
"""File name of the frames of an import."""

_num_holds = 0


def stops() -> list[signal.Signals]:
    """The signals of `STOPS` that this process handles. SIGHUP stays ignored if `nohup` started it so."""
    hangups = STOPS[2:]
    return [number for number in STOPS if number not in hangups or signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def raising() -> Iterator[None]:
    """Make requests to stop raise KeyboardInterrupt in the block, as Ctrl-C does; no effect outside the main thread.

    A request that comes while a module is imported, or within `held`, is raised afterwards: compiled modules that are
    interrupted while they are initialised cannot be imported again, or abort the process.

    Raises:
        KeyboardInterrupt: the process was asked to stop.
    """
    outside = _num_imports(sys._getframe())
    postponed: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        postponed.clear()
        if not _num_holds and _num_imports(frame) <= outside:
            raise KeyboardInterrupt
        postponed.append(threading.Timer(AGAIN_S, _request_again, [number]))
        postponed[0].daemon = True
        postponed[0].start()

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop) for number in stops() if is_main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in postponed:
            each.cancel()
    if postponed:
        raise KeyboardInterrupt


def _request_again(number: int) -> None:
    """Send the main thread a signal, which also ends what it waits for."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def _num_imports(frame: FrameType | None) -> int:
    """Number of frames of imports among a frame and its callers."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename == IMPORTS
        frame = frame.f_back
    return count


@contextmanager
def held() -> Iterator[None]:
    """Postpone the interrupts of `raising` to the end of the block, for compiled code that they would abort."""
    global _num_holds
    _num_holds += 1
    try:
        yield
    finally:
        _num_holds -= 1


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
