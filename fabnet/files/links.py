"""Refuses links inside folders that fabnet writes to.

fabnet makes none there, and by following one it would write, read or delete files of another place."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.limits import what_is

__all__ = ["check_links"]


def check_links(
    folder: Path, what: str, *, only: Collection[str] | None = None, error: type[InputError] = InputError
) -> None:
    """Refuse a local folder that contains a symlink, a Windows junction, or anything else but files and folders.

    The folder itself may be a symlink, because the user named it. Hard links pass: they are replaced or deleted, never
    written through.

    Args:
        folder: the folder, which need not exist.
        what: kind of the folder for the message: "a store".
        only: names in the folder to check; None: all.
        error: class of the error to raise.

    Raises:
        InputError: it contains one; the message gives its name.
    """
    waiting = [Path(folder)]
    while waiting:
        place = waiting.pop()
        try:
            entries = list(os.scandir(place))
        except (FileNotFoundError, NotADirectoryError):  # not made yet, or deleted meanwhile
            continue
        except PermissionError as refused:
            raise error(f"{place} cannot be listed ({refused.strerror}): check its permissions") from None
        for entry in entries:
            if place == folder and only is not None and entry.name not in only:
                continue
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            if _is_link(entry):
                raise error(
                    f"{folder} holds a link, {name} -> {_target(path)}; {what} has none, and fabnet follows none "
                    "there: replace the link with its target, or make it again"
                )
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif not entry.is_file(follow_symlinks=False) and os.path.lexists(path):
                kind = what_is(entry.stat(follow_symlinks=False).st_mode)
                raise error(f"{folder} holds {name}, which is {kind}; {what} has none: delete it")


def _is_link(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return True
    if os.name != "nt":
        return False
    # Junctions, without `DirEntry.is_junction`, which is new in Python 3.12.
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return bool(tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None))


def _target(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:  # replaced meanwhile
        return "?"
