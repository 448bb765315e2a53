"""The newest frame of a camera: a thread captures, and a frame that comes before the last was taken replaces it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Newest"]

T = TypeVar("T")
POLL_S = 0.2
"""Time after which a wait ends, to see whether it is to stop."""


class Newest(Generic[T]):
    """Captures in a thread, and gives the newest frame; a context manager. At most one frame waits.

    Args:
        capture: gives the frames; called in the thread.
    """

    def __init__(self, capture: Callable[[], Iterator[T]]) -> None:
        self.captured = 0
        """Number of frames captured."""
        self.dropped = 0
        """Number of these that nobody took, because a newer one came."""
        self._capture, self._changed = capture, Condition()
        self._waiting: T | None = None
        self._is_stopped = self._has_ended = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="fabnet camera", daemon=True)

    def __enter__(self) -> Newest[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_stopped, self._waiting = True, None
        self._thread.join(2.0)  # a camera that sends nothing keeps it, until the process ends

    def _run(self) -> None:
        try:
            for each in self._capture():
                with self._changed:
                    if self._is_stopped:
                        return
                    self.captured += 1
                    self.dropped += self._waiting is not None
                    self._waiting = each
                    self._changed.notify()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify()

    def frames(self, stop: Event, *, until_s: float | None = None) -> Iterator[T]:
        """The newest frames, until the camera ends.

        Args:
            stop: set to end them.
            until_s: time of the monotonic clock at which they end; None: never.

        Raises:
            FabnetError: the camera cannot be opened, or ended with an error; its frames have been given.
        """
        while True:
            with self._changed:
                while self._waiting is None and not self._has_ended:
                    self._changed.wait(POLL_S)
                    if stop.is_set() or (until_s is not None and time.monotonic() >= until_s):
                        return
                found, self._waiting = self._waiting, None
                if found is None:
                    if self._error is not None:
                        raise self._error
                    return
            if stop.is_set() or (until_s is not None and time.monotonic() >= until_s):
                return
            yield found
