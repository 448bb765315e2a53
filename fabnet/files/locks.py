"""Locks, so that one command at a time writes to a place. The system frees a lock when its process ends in any way."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fabnet.errors import OutputError

__all__ = ["BusyError", "locked_file"]

NO_LOCKS = {getattr(errno, name, None) for name in ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "ENOTSUP", "EINVAL")}
"""Error numbers of file systems without locks, as on some clusters."""


class BusyError(OutputError):
    """Another command is writing to the same place."""


@contextmanager
def locked_file(file: Path, place: Path, *, is_required: bool = True, is_kept: bool = True) -> Iterator[bool]:
    """Hold a lock on a file, which is created if necessary, while the block runs.

    Args:
        file: the lock file; a symlink is not followed.
        place: the place that the lock protects, for messages.
        is_required: whether to refuse a file system without locks; otherwise the block runs without a lock.
        is_kept: whether to keep the lock file afterwards.

    Yields:
        Whether the lock is held.

    Raises:
        BusyError: another process, or another call in this one, holds it.
        OutputError: the file system has no locks, or the file is a symlink.
        OSError: the file cannot be opened.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(file, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"another command is writing to {place}: wait for it, or choose another place") from None
    except (OSError, NotImplementedError) as error:
        number, reason = getattr(error, "errno", errno.ENOSYS), getattr(error, "strerror", None) or str(error)
        if number == errno.ELOOP:
            raise OutputError(f"{file} is a symlink, which would lead out of {place}: remove it") from error
        if number not in NO_LOCKS:
            raise
        if is_required:
            raise OutputError(f"cannot lock {file} ({reason}): choose a place on another file system") from error
        yield False
        return
    try:
        yield True
    finally:
        if not is_kept and os.name == "posix":  # filelock removes it on Windows
            with suppress(OSError):
                file.unlink()  # before the release: a process that waits for this file then sees that it is gone
        lock.release()
