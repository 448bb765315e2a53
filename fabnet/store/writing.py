"""Write access to a store: one command at a time, with the same settings as the one before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fabnet.errors import StoreError
from fabnet.files.lance import LANCE_FOLDERS, foreign, has_dataset
from fabnet.files.lance_lock import REMOVING, locked
from fabnet.files.places import as_place
from fabnet.store.track_store import TrackStore, create_store, open_store

__all__ = ["writing"]

OWN = LANCE_FOLDERS | {"_lock", "_spool", "_ledger.lance", "_tracks.lance"}


@contextmanager
def writing(path: Path | str, *, crop: dict[str, Any], settings: dict[str, Any]) -> Iterator[TrackStore]:
    """Open or create a store to add rows to, and keep other writers out meanwhile.

    Args:
        path: folder of the store.
        crop: crop specification, as plain JSON values; an existing store must have the same.
        settings: settings of the command; an existing store that the same verb made must have the same.

    Raises:
        StoreError: another command is writing to it, it has another crop or settings, or `path` has other files.
        OutputError: writing there is not possible.
    """
    path = as_place(path)
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file; expected the folder of a store: choose another --out")
    if not has_dataset(path) and (others := foreign(path, OWN)):
        raise StoreError(f"{path} holds other files ({others[0]} ...) and no store: choose another --out")
    with locked(path):
        if (path / REMOVING).is_file():
            raise StoreError(f"{path}: a removal was interrupted; finish it first with `fabnet remove {path}`")
        is_new = not has_dataset(path)  # checked again, because another command may have made it meanwhile
        store = create_store(path, crop=crop, settings=settings) if is_new else open_store(path)
        if not is_new:
            _check_same(store, crop, settings)
            store.recover()
        yield store


def _check_same(store: TrackStore, crop: dict[str, Any], settings: dict[str, Any]) -> None:
    pairs = [("crop", store.crop, crop)]
    if store.settings.get("verb") == settings.get("verb"):
        pairs.append(("settings", store.settings, settings))
    for what, found, asked in pairs:
        for name in sorted(found.keys() | (asked.keys() if what == "settings" else set())):  # older crops have less
            if found.get(name) != asked.get(name):
                raise StoreError(
                    f"{store.path} was made with {what} {name} = {found.get(name)!r}; now it is {asked.get(name)!r}: "
                    "use the same, or another --out"
                )
