"""Atomic outputs: they are written beside their destination, synced, then renamed into place.

Outputs to an object store are written on this machine, then uploaded; each object appears whole.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fabnet.errors import FabnetError, OutputError, cannot_write, first_line
from fabnet.files.limits import what_is
from fabnet.files.locks import locked_file
from fabnet.files.places import is_remote, make_folder, refusal, remove, send
from fabnet.files.sync import sync, sync_folder

__all__ = ["output_errors", "unlink", "written_whole"]

MAX_LINKS = 40
"""Symlinks in a chain, as on Linux."""
PRIVATE = stat.S_IRUSR | stat.S_IWUSR
WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn a system error about writing `path` into one clear line.

    Raises:
        OutputError: instead of the OSError, or of a library's error that contains its text.
    """
    try:
        yield
    except Exception as error:
        # Lance and safetensors put the error number only into the text.
        is_full = "No space left on device" in str(error) or "os error 28" in str(error)
        refused, told = refusal(error), re.search(r"\(os error (\d+)\)", str(error))
        is_told = told is not None and not isinstance(error, FabnetError)
        if not is_full and not isinstance(error, OSError) and refused is None and not is_told:
            raise
        number = errno.ENOSPC if is_full else getattr(error, "errno", None) or 0
        text = refused or getattr(error, "strerror", None) or first_line(error)
        # Outputs to an object store are first written on this machine, which may be what failed.
        here = getattr(error, "filename", None) if is_remote(path) else None
        raise cannot_write(here or path, number, text) from error


def unlink(path: Path) -> None:
    """Remove a file if it exists, and sync its folder so that no power cut restores it."""
    path.unlink(missing_ok=True)
    if not is_remote(path):
        sync_folder(path.parent)


@contextmanager
def written_whole(
    path: Path,
    *,
    last: str | None = None,
    check: Callable[[Path], object] | None = None,
    is_internal: bool = False,
) -> Iterator[Path]:
    """Yield a temporary path beside `path` for a file or folder, and rename it into place at the end.

    A former output is removed only after the new one is synced. Files have the mode that the umask gives. A kill
    leaves a half-written output under a hidden name, until the same output is written again.

    Args:
        path: destination of the output; what is there is replaced. A symlink is kept, and its target is replaced: the
            temporary path is then beside the target.
        last: name of the file that makes a folder valid. In an object store, where a folder is not atomic, it is
            uploaded last.
        check: called with the written path before the rename; raises if the output is not whole.
        is_internal: whether the path is a file that fabnet keeps in a folder of its own. A symlink there leads to
            files of another place, so it is replaced and not followed.

    Yields:
        A path that does not exist yet: in the same folder (which is made), or, for an object store, in a temporary one.

    Raises:
        BusyError: another command is writing the same output.
        OutputError: the disk is full, writing there is not allowed, or a symlink leads nowhere; nothing half-written
            is left.
    """
    if is_remote(path):
        with output_errors(path), TemporaryDirectory(prefix="fabnet-") as folder:
            yield Path(folder) / path.name
            if check is not None:
                check(Path(folder) / path.name)
            send(Path(folder) / path.name, path, last=last)
        return
    with output_errors(path):
        target = path if is_internal and not path.is_dir() else _end_of_links(path)
        if target.is_dir() and (target != path or not path.name):
            target = target.resolve()  # `.` has no name, and a symlink may lead to `..`
    path = target
    partial, replaced = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("partial", "replaced"))
    with ExitStack() as stack, output_errors(path):
        _refuse_special(path)
        make_folder(path.parent)
        lock = locked_file(path.with_name(f".{path.name}.lock"), path, is_required=False, is_kept=False)
        if stack.enter_context(lock):
            _sweep(path)
        remove(partial)  # an existing link of this name would be followed
        try:
            yield partial
            _open_to_others(partial, path.with_name(f".{path.name}.{os.getpid()}.mode"))
            sync(partial)
            if check is not None:
                check(partial)
            if path.is_dir():
                if not partial.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "it is a folder: choose another name")
                os.rename(path, replaced)  # atomic, so that no reader sees the folder half removed
            os.replace(partial, path)
            try:
                sync_folder(path.parent)
            except OSError:
                if replaced.exists():  # the new folder is not safe: restore the former one
                    os.rename(path, partial)
                raise
        finally:
            if replaced.exists() and not path.exists():
                os.rename(replaced, path)
            remove(partial)
            remove(replaced)


def _open_to_others(path: Path, plain: Path) -> None:
    """Give files that were made for their owner alone, as safetensors makes them, the mode of any new file.

    Args:
        path: a file, or a folder of files.
        plain: where to make a file, to see what the umask leaves: to ask for the umask would change it for all threads.
    """
    if os.name == "nt":
        return
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    private = [file for file in files if not file.is_symlink() and stat.S_IMODE(file.stat().st_mode) == PRIVATE]
    if not private:
        return
    plain.unlink(missing_ok=True)
    try:
        os.close(os.open(plain, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = stat.S_IMODE(plain.stat().st_mode)
    finally:
        plain.unlink(missing_ok=True)
    for file in private if mode != PRIVATE else []:
        file.chmod(mode)


def _end_of_links(path: Path) -> Path:
    """The place that a path leads to through symlinks: it need not exist, but its folder must.

    Symlinks to open streams are returned as they are.
    """
    place = path
    for _ in range(MAX_LINKS):
        if not place.is_symlink() or _is_stream(place):
            break
        place = place.parent / os.readlink(place)
    else:
        raise OutputError(f"{path} is a symlink that leads to itself: remove it, or choose another place")
    if place != path and not place.parent.is_dir():
        raise OutputError(f"{path} is a symlink to {place}, whose folder does not exist: make it, or remove the link")
    return place


def _is_stream(link: Path) -> bool:
    """Whether a symlink stands for an open stream, as /dev/stdout does."""
    return os.readlink(link).startswith("/proc/") or os.path.realpath(link.parent).startswith("/proc/")


def _refuse_special(path: Path) -> None:
    """Refuse what a rename would replace although it cannot be written: special files, and read-only ones.

    Run as root, it would make `/dev/null` a regular file.
    """
    is_file = path.exists() and not path.is_dir()
    mode = path.stat().st_mode if is_file else None
    if mode is not None and stat.S_ISREG(mode) and not (mode & WRITABLE and os.access(path, os.W_OK)):
        raise OutputError(f"{path} is read-only: make it writable, or choose another place")
    kind = None if mode is None else what_is(mode)
    if path.is_symlink() and _is_stream(path):
        kind = "an open stream"
    if kind is not None:
        raise OutputError(f"{path} is {kind}, which fabnet never replaces: choose another place")


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. The caller holds the lock of `path`."""
    for entry in path.parent.iterdir():
        found = re.fullmatch(rf"\.{re.escape(path.name)}\.\d+\.(partial|replaced|mode)", entry.name)
        if found and found[1] == "replaced" and not path.exists():
            os.rename(entry, path)  # the writer was killed before the new output was in place
        elif found:
            remove(entry)
