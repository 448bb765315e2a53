"""The standard streams of a command: closed, full or limited to ASCII, they do not make it fail."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

__all__ = ["flush_output", "prepare_streams"]


class _Tolerant:
    """A text stream whose reader may disappear: a terminal that is closed, a pipe into `head`."""

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
    """Prepare stdin, stdout and stderr of this process for a command; restart it if Python reads names as ASCII.

    The null device takes the descriptor of a closed stream; otherwise the next file that is opened would get it, and
    with it what libraries print. Characters that stdout cannot encode are written as escapes.
    """
    if sys.getfilesystemencoding() == "ascii":  # locale C, with Python's UTF-8 mode and locale coercion off
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
    """Replace this process with the same command in UTF-8 mode; its streams keep their encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", f"{encoding}:backslashreplace")
    if not sys.flags.ignore_environment:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def flush_output() -> None:
    """Flush stdout. A closed pipe, as after `head`, is not an error.

    Raises:
        OSError: stdout cannot be written, e.g. on a full disk. The rest of the output is discarded.
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
