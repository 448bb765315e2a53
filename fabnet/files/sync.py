"""Files and folders that the disk holds: what was synced, a power cut leaves whole."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["sync", "sync_folder"]


def sync(path: Path) -> None:
    """Return only when the disk holds a file, or a folder with all that is in it: a power cut leaves them whole.

    Raises:
        OSError: the disk could not take it.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        for entry in path.iterdir():
            sync(entry)
        sync_folder(path)
        return
    # Windows flushes only what may be written.
    opened = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            with suppress(OSError):  # a file system that does not know it
                fcntl.fcntl(opened, fcntl.F_FULLFSYNC)
                return
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_folder(path: Path) -> None:
    """Return only when the disk holds a folder's names: of what was made, renamed and removed in it.

    Windows keeps them by itself.

    Raises:
        OSError: the disk could not take them.
    """
    if sys.platform == "win32":
        return
    try:
        opened = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder above that may be passed through only
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that syncs no folders
            raise
    finally:
        os.close(opened)
