"""The contents of a user's folder: files to read, and everything that is left out, with the reason."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabnet.errors import InputError
from fabnet.files.kinds import Kind, kind_by_content, kind_by_suffix, read_head
from fabnet.files.limits import what_is

__all__ = [
    "Entry",
    "FolderScan",
    "LeftOut",
    "left_out_json",
    "left_out_lines",
    "natural",
    "shown_name",
    "wrong_name",
]

NAMED = 3
"""Maximum number of file names in a line of the summary; `--json` lists all."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in a folder that was not read."""

    file: str
    """Path below the folder given; the folder itself if only a count is known."""
    reason: str
    """Reason. The part before a colon is the same for all files with this reason."""
    count: int = 1
    """Number of files, or of the pictures of a file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file, or a folder, that may be read."""

    path: Path
    """Path of the file or folder."""
    name: str
    """Path below the folder given, with forward slashes."""
    status: os.stat_result
    """Result of `stat`; for a symlink, that of its target."""

    @property
    def inode(self) -> tuple[int, int]:
        """Device and inode, which identify the file under all of its names."""
        return self.status.st_dev, self.status.st_ino


def natural(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def shown_name(name: str | Path) -> str:
    """A name with bytes that are not UTF-8 escaped."""
    return str(name).encode(errors="backslashreplace").decode()


def wrong_name(name: str | Path) -> str | None:
    """The reason why a name cannot be stored (rows store UTF-8 only); None if it can."""
    try:
        str(name).encode()
        return None
    except UnicodeEncodeError:
        pass
    try:
        os.fsencode(name).decode()
    except UnicodeDecodeError:
        return "name that is not UTF-8: rename it (convmv does many)"
    return f"UTF-8 name that Python reads as {sys.getfilesystemencoding()} here: set PYTHONUTF8=1 in the environment"


class FolderScan:
    """A scan of a folder that lists what it cannot read instead of failing.

    Symlinks are followed within the folder. The folder itself may be a symlink.

    Args:
        root: the folder.

    Attributes:
        root: the folder.
        num_hidden: files and folders whose names begin with a dot.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.num_hidden = root, 0
        self._resolved = root.resolve()
        self._left_out = list[LeftOut]()
        self._unreadable = list[LeftOut]()

    def left_out(self, *kinds: Kind) -> list[LeftOut]:
        """What was left out so far, except for what `failed` gives; hidden files are one count."""
        failed = self.failed(*kinds)
        others = [each for each in self._unreadable if each not in failed]
        hidden = [LeftOut(shown_name(self.root), "hidden (the name begins with a dot)", self.num_hidden)]
        return others + self._left_out + (hidden if self.num_hidden else [])

    def failed(self, *kinds: Kind) -> list[LeftOut]:
        """What cannot be read and has one of these kinds by its suffix."""
        return [each for each in self._unreadable if kind_by_suffix(each.file) in kinds]

    def leave_out(self, name: str, reason: str) -> None:
        """List something as left out."""
        self._left_out.append(LeftOut(shown_name(name), reason))

    def include(self, left_out: Sequence[LeftOut]) -> None:
        """Add what was left out of another folder by the same command."""
        self._left_out += left_out

    def cannot_read(self, name: str, reason: str) -> None:
        """List something as left out because it cannot be read."""
        self._unreadable.append(LeftOut(shown_name(name), reason))

    def entries(self, folder: Path) -> tuple[list[Entry], list[Entry]]:
        """List the folders and the regular files in a folder, each in natural order.

        Args:
            folder: the root, or a folder below it.

        Raises:
            InputError: the root itself cannot be listed.
        """
        folders, files = list[Entry](), list[Entry]()
        try:
            names = sorted(os.listdir(folder), key=natural)
        except OSError as error:
            if folder == self.root:
                raise InputError(f"the folder {shown_name(folder)} cannot be read: {error.strerror}") from None
            self.cannot_read(self._below(folder), f"folder that cannot be read: {error.strerror}")
            return folders, files
        for name in names:
            if name.startswith("."):
                self.num_hidden += 1
                continue
            found = self._entry(folder / name)
            if found is not None:
                (folders if stat.S_ISDIR(found.status.st_mode) else files).append(found)
        return folders, files

    def walk(self) -> Iterator[Entry]:
        """Yield every regular file on all levels; a folder or file with several names is read once.

        Files come folder by folder; those behind symlinks come last.
        """
        read: dict[tuple[int, int], str] = {}
        waiting = [self.root]
        linked: list[Entry] = []
        while waiting or linked:
            if not waiting:
                entry = linked.pop(0)
                if self._is_new(entry, read, "symlink to what is read anyway"):
                    if stat.S_ISDIR(entry.status.st_mode):
                        waiting.append(entry.path)
                    else:
                        yield entry
                continue
            folders, files = self.entries(waiting.pop())
            for entry in files:
                if entry.path.is_symlink():
                    linked.append(entry)
                elif self._is_new(entry, read, "same file under a second name"):
                    yield entry
            for entry in reversed(folders):
                if entry.path.is_symlink():
                    linked.append(entry)
                elif self._is_new(entry, read, "same folder under a second name"):
                    waiting.append(entry.path)

    def kind(self, entry: Entry) -> Kind | None:
        """The kind of a file by its content, else by its suffix; None: neither, so it is listed as left out."""
        by_suffix = kind_by_suffix(entry.name)
        try:
            head = read_head(entry.path) if entry.status.st_size else b""
        except OSError as error:
            if by_suffix is None:
                self.cannot_read(entry.name, f"cannot be read: {error.strerror}")
            return by_suffix  # its reader will report the error
        kind = kind_by_content(entry.name, head) or by_suffix
        if kind is None:
            ending = Path(entry.name).suffix or "no suffix"
            self.leave_out(entry.name, f"neither picture nor video: {ending}" if head else "empty (0 bytes)")
        return kind

    def _is_new(self, entry: Entry, read: dict[tuple[int, int], str], otherwise: str) -> bool:
        first = read.setdefault(entry.inode, entry.name) if entry.status.st_ino else entry.name
        if first != entry.name:
            self.leave_out(entry.name, f"{otherwise}: {first}")
        return first == entry.name

    def _below(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _entry(self, path: Path) -> Entry | None:
        name = self._below(path)
        if (reason := wrong_name(name)) is not None:
            self.cannot_read(name, reason)
            return None
        try:
            if path.is_symlink() and (reason := self._wrong_link(path)):
                self.cannot_read(name, reason)
                return None
            status = path.stat()
        except (OSError, RuntimeError) as error:  # Python 3.12 and older raise RuntimeError for a loop of symlinks
            self.cannot_read(name, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
        special = None if stat.S_ISDIR(status.st_mode) else what_is(status.st_mode)
        if special is not None:
            self.cannot_read(name, f"{special}: not a file")
            return None
        if stat.S_ISDIR(status.st_mode) and os.path.isdir(path / "_versions"):
            self.leave_out(name, "Lance dataset: give its own path to read it")
            return None
        return Entry(path, name, status)

    def _wrong_link(self, path: Path) -> str | None:
        """The reason why a symlink is not followed; None if it is."""
        try:
            target = path.resolve(strict=True)
        except FileNotFoundError:
            return f"dangling symlink: to {shown_name(os.readlink(path))}, which does not exist"
        except PermissionError as error:
            return f"symlink that cannot be followed: {error.strerror}"
        except (OSError, RuntimeError):
            return "loop of symlinks"
        if not target.is_relative_to(self._resolved):
            return (
                f"symlink out of the folder: to {shown_name(target)}; copy its target here, or give the target's path"
            )
        if path.parent.resolve().is_relative_to(target):
            return f"loop of symlinks: back to {shown_name(target)}"
        return None


def left_out_json(left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """What was left out, for JSON: each file, and counts by reason."""
    counts = {reason: sum(each.count for each in found) for reason, found in _by_reason(left_out).items()}
    return {"left_out": [asdict(each) for each in left_out], "left_out_by_reason": counts}


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """What was left out: one line per reason, with the first names."""
    lines = []
    for reason, found in _by_reason(left_out).items():
        count, names = (
            sum(each.count for each in found),
            [each.file for each in found if each.count == 1 or ":" in each.reason],
        )
        more = " ..." if len(names) > NAMED else ""
        lines.append(f"{count:,} left out, {reason}" + (f": {', '.join(names[:NAMED])}{more}" if names else ""))
    return lines


def _by_reason(left_out: Sequence[LeftOut]) -> dict[str, list[LeftOut]]:
    found: dict[str, list[LeftOut]] = {}
    for each in left_out:
        found.setdefault(each.reason.partition(":")[0], []).append(each)
    return found
