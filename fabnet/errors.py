"""Everything that fabnet raises on purpose.

FabnetError                  one line that the user can act on; the CLI prints it and exits with `exit_code`
├── InputError               a path, flag or file that the user gave is missing or wrong         (exit 2)
│   ├── VideoError           a file is not a video, is empty, is truncated or has no picture     (exit 3)
│   ├── NoFaceError          no face was found, so there is nothing to work on                   (exit 4)
│   ├── StoreError           a track store is missing, of another version, or inconsistent       (exit 5)
│   │   └── RewrittenError   it was rewritten while it was read, so its row numbers changed      (exit 5)
│   └── ModelError           a checkpoint, run or model folder is missing, corrupt or unknown    (exit 6)
├── TrainingError            training cannot go on (non-finite loss, nothing to train on)        (exit 7)
├── OutputError              an output could not be written (disk full, no permission)           (exit 8)
└── MissingDependencyError   an optional package is not installed                                (exit 9)

A message says what failed, what was found, what was expected and what to do next.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

__all__ = [
    "FabnetError",
    "InputError",
    "MissingDependencyError",
    "ModelError",
    "NoFaceError",
    "OutputError",
    "RewrittenError",
    "StoreError",
    "TrainingError",
    "VideoError",
    "cannot_write",
    "first_line",
]


class FabnetError(Exception):
    """Base of every error that fabnet raises on purpose."""

    exit_code = 1


class InputError(FabnetError):
    """A path, a flag or a file that the user gave is missing or wrong."""

    exit_code = 2


class VideoError(InputError):
    """A file is not a video, is empty, is truncated or has no picture."""

    exit_code = 3


class NoFaceError(InputError):
    """No face was found, so there is nothing to work on."""

    exit_code = 4


class StoreError(InputError):
    """A track store or embeddings dataset is missing, of another version, or inconsistent."""

    exit_code = 5


class RewrittenError(StoreError):
    """A track store or embeddings dataset was rewritten while it was read, so its row numbers changed."""


class ModelError(InputError):
    """A checkpoint, run or model folder is missing, corrupt or unknown."""

    exit_code = 6


class TrainingError(FabnetError):
    """Training cannot go on: a non-finite loss, or nothing to train on."""

    exit_code = 7


class OutputError(FabnetError):
    """An output could not be written: a full disk, no permission, or something in the way."""

    exit_code = 8


class MissingDependencyError(FabnetError):
    """An optional package is not installed."""

    exit_code = 9


def first_line(error: BaseException) -> str:
    """The first line of any error; the query part of URLs is removed, because it may hold tokens."""
    text = (str(error).splitlines() or [""])[0] or type(error).__name__
    return re.sub(r"(\w://[^\s?]*)\?[^\s\"')]*", r"\1", text)


_WRITE_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EACCES: "no permission to write there: choose another place",
    errno.EPERM: "no permission to write there: choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EEXIST: "part of the path is a file, not a folder: choose another place",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ENOTDIR: "part of the path is a file, not a folder: choose another place",
}


def cannot_write(path: str | Path, number: int, text: str) -> OutputError:
    """The error for a path that the system refuses to write.

    Args:
        path: the file or folder.
        number: errno; 0 if unknown.
        text: the message of the system or a library, for errors without advice of their own.
    """
    return OutputError(f"cannot write {path}: {_WRITE_ADVICE.get(number, text)}")
