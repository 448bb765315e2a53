"""Checks a dataset's manifests before Lance opens it: they may name files of other places, which Lance would read.

A shallow clone or a manifest made by hand can do this. Such a dataset could show another store's faces, contact an
object store from a local dataset, or keep faces that `remove` cannot reach. fabnet's own datasets name only files of
their own folder.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from fabnet.errors import StoreError
from fabnet.files.limits import read_bytes
from fabnet.files.places import is_remote
from fabnet.files.protobuf import fields, found

__all__ = ["check_manifests", "check_unnamed", "state_of", "version_of"]

FOOTER = struct.Struct("<QHH4s")
LENGTH = struct.Struct("<I")
MAX_BYTES = 2**28
"""Maximum size of a manifest: more than a million fragments."""

FRAGMENTS, INDEX_AT, TRANSACTION_FILE, BASE_PATHS = 2, 6, 12, 18
"""Field numbers of a manifest. INDEX_AT is the offset of the section that describes the indices."""
FILES: dict[tuple[int, ...], int | None] = {(2,): 7, (11, 1): 7, (3,): 7, (6,): None, (8,): None, (10,): None}
"""Field numbers from a fragment to its files (data, overlays, deletions, ids and versions of rows), and the number of
the field with each file's base."""
INDICES, BASE_ID_OF_INDEX, FILES_OF_INDEX, KIND_OF_INDEX = (1,), 9, (10,), (6, 1)
FILES_OF_REUSE: dict[tuple[int, ...], int | None] = {(6, 2, 2): None, (6, 2, 1, 2, 4): 3}
"""The same for a fragment-reuse index, which maps moved rows."""
PATH = 1
"""Field number of a file's path (deletion files have none)."""
SEGMENT = re.compile(r"(?!\.+$)[\w.\-]+", re.ASCII)


def check_manifests(folder: Path) -> None:
    """Refuse a dataset if any of its versions names a file outside its folder.

    A manifest that cannot be parsed passes: Lance will report it if it needs it.

    Args:
        folder: the dataset, without links: see `check_links`.

    Raises:
        StoreError: a version names such a file; the message gives its name.
    """
    for name, state in _manifests(folder):
        _check(folder, name, state)


def check_unnamed(folder: Path) -> None:
    """Refuse to write to a dataset with tags or branches (fabnet makes none): their versions keep removed rows.

    Raises:
        StoreError: the dataset has a tag or branch; the message gives its name.
    """
    for kind in ("tags", "branches"):
        place = folder / "_refs" / kind
        if place.is_dir() and (names := sorted(file.stem for file in place.iterdir())):
            raise StoreError(
                f"{folder} has {kind} ({names[0]} ...), whose versions keep rows that are removed: delete them with "
                "Lance first"
            )


def state_of(folder: Path) -> tuple[Any, ...] | None:
    """State of the newest manifest, which changes whenever the dataset does; None if there is no dataset."""
    return max(_manifests(folder), key=lambda each: version_of(each[0]), default=None)


def version_of(name: str) -> int:
    """The version in a manifest's name: the number itself, or, in newer formats, 2^64 - 1 minus it; 0: it has none."""
    stem = name.partition(".")[0]
    number = int(stem) if stem.isascii() and stem.isdigit() else 0
    return 2**64 - 1 - number if number >= 2**63 else number


@lru_cache(maxsize=4096)
def _check(folder: Path, name: str, state: tuple[Any, ...]) -> None:
    """Manifests never change, so each is read once; `state` distinguishes it from an earlier one of the same name."""
    try:
        data = read_bytes(folder / "_versions" / name, MAX_BYTES)
        outside = next(_outside(data), None)
    except (FileNotFoundError, ValueError):  # the version was removed meanwhile, or its manifest is truncated
        return
    if outside is not None:
        raise StoreError(
            f"{folder} names files of another place: {outside} in _versions/{name}, as a shallow clone does. fabnet "
            "reads only a dataset's own files: make the dataset again, or a deep clone of it with Lance"
        )


def _manifests(folder: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the name of each manifest and its state, which changes if the file is replaced."""
    versions: Any = folder / "_versions"
    with suppress(FileNotFoundError, NotADirectoryError):
        if is_remote(folder):
            for info in versions.fs.ls(versions.path, detail=True):
                name = info["name"].rpartition("/")[2]
                if ".manifest" in name:
                    changes = (info.get(key) for key in ("size", "ETag", "etag", "LastModified", "updated"))
                    yield name, tuple(map(str, changes))
            return
        for entry in list(os.scandir(versions)):
            if ".manifest" in entry.name:
                with suppress(FileNotFoundError):  # removed meanwhile
                    status = os.stat(entry.path)
                    yield entry.name, (status.st_ino, status.st_size, status.st_mtime_ns)


def _outside(data: bytes) -> Iterator[str]:
    """Yield everything that a manifest names outside its dataset's folder.

    A part that cannot be parsed is skipped: Lance cannot read it either, or does not use it.

    Raises:
        ValueError: it is not a manifest.

    Source:
        Lance's `protos/table.proto`.
    """
    if len(data) < FOOTER.size or not data.endswith(b"LANC"):
        raise ValueError("does not end as a manifest does")
    at, *_ = FOOTER.unpack(data[-FOOTER.size :])
    for number, value in fields(data[at + LENGTH.size : -FOOTER.size]):
        if number == BASE_PATHS:
            yield f"the base path {_text_of_base(value)!r}"
        elif number == TRANSACTION_FILE and isinstance(value, bytes) and value:
            yield from _leading_out(value)
        elif number == FRAGMENTS and isinstance(value, bytes):
            yield from _outside_of_fragment(value)
        elif number == INDEX_AT and isinstance(value, int):
            yield from _outside_of_indices(data, value)


def _text_of_base(base: bytes | int) -> str:
    paths = list(_parts(base, (4,))) if isinstance(base, bytes) else []
    return paths[-1].decode(errors="replace") if paths else ""


def _outside_of_fragment(fragment: bytes) -> Iterator[str]:
    for way, base_id in FILES.items():
        for file in _parts(fragment, way):
            yield from _outside_of_file(file, base_id)


def _outside_of_indices(data: bytes, at: int) -> Iterator[str]:
    (length,) = LENGTH.unpack_from(data, at) if at + LENGTH.size <= len(data) else (0,)
    for index in _parts(data[at + LENGTH.size : at + LENGTH.size + length], INDICES):
        yield from _outside_of_file(index, BASE_ID_OF_INDEX, path=None)
        for file in _parts(index, FILES_OF_INDEX):
            yield from _outside_of_file(file, None)
        if any(b"FragmentReuse" in kind for kind in _parts(index, KIND_OF_INDEX)):
            for way, base_id in FILES_OF_REUSE.items():
                for file in _parts(index, way):
                    yield from _outside_of_file(file, base_id)


def _parts(message: bytes, way: tuple[int, ...]) -> Iterator[bytes]:
    with suppress(ValueError):
        yield from found(message, way)


def _outside_of_file(file: bytes, base_id: int | None, *, path: int | None = PATH) -> Iterator[str]:
    with suppress(ValueError):
        for number, value in fields(file):
            if number == base_id:
                yield f"a file with the base {value!r}"
            elif number == path and isinstance(value, bytes):
                yield from _leading_out(value)


def _leading_out(path: bytes) -> Iterator[str]:
    """Yield a file's path if it leads out of the folder to which it is relative."""
    text = path.decode(errors="replace")
    if not all(SEGMENT.fullmatch(part) for part in text.split("/")):
        yield f"the path {text!r}"
