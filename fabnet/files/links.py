"""Links inside folders that fabnet writes to.

It makes none there, and one that it followed would have it write to, read or delete files of another place."""

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
    """Refuse a local folder that holds a symlink, a Windows junction, or anything else that is neither file nor folder.

    The folder itself may be a symlink: its name is what the user gave. Hard links are files like others: they are
    replaced or deleted, never written into.

    Args:
        folder: need not be there.
        what: it is, for the message: "a store".
        only: names in the folder to look at; None: all.
        error: to raise.

    Raises:
        InputError: it does, with the name.
    """
    waiting = [Path(folder)]
    while waiting:
        place = waiting.pop()
        try:
            entries = list(os.scandir(place))
        except (FileNotFoundError, NotADirectoryError):  # nothing yet, or deleted meanwhile
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
                    "there: put what it links to in its place, or make it again"
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
    # A junction; `DirEntry.is_junction` is new in Python 3.12.
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return bool(tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None))


def _target(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:  # replaced meanwhile
        return "?"
