"""Keeps other writers out of a store or dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fabnet.errors import StoreError
from fabnet.files.lance import lance_writes
from fabnet.files.lance_manifests import check_unnamed
from fabnet.files.lance_package import lance_package
from fabnet.files.links import check_links
from fabnet.files.locks import BusyError, locked_file
from fabnet.files.places import make_folder, workplace

__all__ = ["REMOVING", "locked"]

REMOVING = "_removing.json"
"""File in a store that lists the people who are being removed from it."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other writers out of a store or dataset, whose folder is created if it does not exist.

    For an object store, this locks out only this user's commands on this machine. If several machines write at once,
    Lance makes their commits one after the other or refuses them.

    Raises:
        StoreError: another command is writing to it, or it contains a link, tags or branches.
        OutputError: writing there is not possible.
        MissingDependencyError: Lance is not installed.
    """
    lance_package()  # a missing one is said before a folder is made
    check_links(workplace(path), "a store or dataset", error=StoreError)
    check_unnamed(path)
    with ExitStack() as stack:
        with lance_writes(path):
            make_folder(workplace(path))
            try:
                stack.enter_context(locked_file(workplace(path) / "_lock", path))
            except BusyError as error:
                raise StoreError(str(error)) from None
        yield
