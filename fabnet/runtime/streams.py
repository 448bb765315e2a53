"""The streams of a command: one that is closed, full, gone or cannot show a name does not undo its work."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

__all__ = ["flush_output", "prepare_streams"]


class _Tolerant:
    """A text stream whose reader may go: a terminal that is closed, a pipe into `head`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def prepare_streams() -> None:
    """Prepare stdin, stdout and stderr of this process for a command; start it again where Python reads names as ASCII.

    A closed stream becomes the null device, in its own descriptor: a file that is opened later would get that, and
    what a library prints. Characters that stdout cannot show are written as escapes.
    """
    if sys.getfilesystemencoding() == "ascii":  # the locale is C, and Python was told to take it at its word
        _start_again()
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    stderr: Any = _Tolerant(sys.stderr)
    sys.stderr = stderr


def _start_again() -> None:
    """Replace this process by the same command with names read as UTF-8; its streams keep their encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", f"{encoding}:backslashreplace")
    if not sys.flags.ignore_environment:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def flush_output() -> None:
    """Write out what was printed. A reader that has gone, as `head` does, has what it wanted.

    Raises:
        OSError: it cannot be written, as on a full disk. Nothing is left to write then.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        if not isinstance(error, BrokenPipeError):
            raise
