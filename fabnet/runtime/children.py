"""How worker processes are started: without the working folder on their path, and without the terminal's signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabnet.errors import InputError
from fabnet.runtime.interrupts import STOPS, unheard

__all__ = ["starting"]

SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def starting(*, heeds_sigterm: bool) -> Iterator[None]:
    """Start processes in the block that import nothing from the working folder and ignore requests to stop.

    Python puts the working folder first on the path of a process that it spawns, so that a `pickle.py` beside the
    videos would run there. What a script has on its own path its workers have, too: its main module is imported again.

    Args:
        heeds_sigterm: SIGTERM ends the processes; other requests to stop are for the process that starts them.

    Raises:
        InputError: the working folder is not there any more; Python starts processes in it.
    """
    ignored = [number for number in STOPS if number is not signal.SIGTERM or not heeds_sigterm]
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError("the working folder was deleted: start from another one") from None
    with unheard(*ignored), _safe_environment(), _path_without_working_folder(), _main_that_can_be_imported():
        yield


@contextmanager
def _safe_environment() -> Iterator[None]:
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextmanager
def _path_without_working_folder() -> Iterator[None]:
    """Take the entry '' of notebooks, prompts and `python -c` off the path that is handed to a process."""
    before = sys.path.copy()
    root = str(Path(__file__).absolute().parent.parent)
    sys.path[:] = [entry for entry in before if entry] + ([root] if "" in before and root == os.getcwd() else [])
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _main_that_can_be_imported() -> Iterator[None]:
    """Hide the name of a main module that is not a file: a process would look for `<stdin>`, and end."""
    main = sys.modules["__main__"]
    name = getattr(main, "__file__", None)
    if name is None or getattr(main, "__spec__", None) is not None or Path(name).is_file():
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = name
