"""Starts worker processes without the working folder on their import path and without the terminal's signals."""

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
    """Make processes that are started in the block ignore requests to stop and import nothing from the working folder.

    Python puts the working folder first on the import path of a process that it spawns, so a `pickle.py` beside the
    videos would run there. Workers keep the rest of the parent's path, because they import its main module again.

    Args:
        heeds_sigterm: whether SIGTERM ends the processes. Other requests to stop are always left to the parent.

    Raises:
        InputError: the working folder, in which Python starts processes, was deleted.
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
    """Remove the entry '' (notebooks, prompts, `python -c`) from the import path that a new process inherits."""
    before = sys.path.copy()
    root = str(Path(__file__).absolute().parent.parent)
    sys.path[:] = [entry for entry in before if entry] + ([root] if "" in before and root == os.getcwd() else [])
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _main_that_can_be_imported() -> Iterator[None]:
    """Hide the name of a main module that is not a file: a new process would look for `<stdin>` and exit."""
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
