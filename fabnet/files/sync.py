"""Syncs files and folders to disk, so that a power cut leaves them whole."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["sync", "sync_folder"]


def sync(path: Path) -> None:
    """Sync a file, or a folder with its contents, to disk. Symlinks are skipped.

    Raises:
        OSError: the disk could not write it.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        for entry in path.iterdir():
            sync(entry)
        sync_folder(path)
        return
    # Windows flushes only files that are open for writing.
    opened = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            with suppress(OSError):  # not every file system supports it
                fcntl.fcntl(opened, fcntl.F_FULLFSYNC)
                return
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_folder(path: Path) -> None:
    """Sync a folder's entries to disk: creations, renames and removals. Windows does this by itself.

    Raises:
        OSError: the disk could not write them.
    """
    if sys.platform == "win32":
        return
    try:
        opened = os.open(path, os.O_RDONLY)
    except PermissionError:  # a parent folder that may be traversed but not read
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot sync folders
            raise
    finally:
        os.close(opened)
