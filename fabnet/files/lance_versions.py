"""Versions of a local Lance dataset: checks that their files are whole, and syncs them.

Lance commits a version by writing its manifest, and syncs nothing. A power cut can leave truncated files, and Lance
reports some failed writes as success, so a version counts only if all of its files have their full length. What an
earlier version needs, too, was synced before: if such a file is bad, the dataset is damaged, and nothing is taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from fabnet.errors import StoreError
from fabnet.files.lance_manifests import version_of
from fabnet.files.lance_package import lance_package
from fabnet.files.places import is_remote, lance_name
from fabnet.files.sync import sync, sync_folder

__all__ = [
    "TruncatedError",
    "check_files",
    "discard_after",
    "discard_truncated",
    "files_of",
    "has_version",
    "newest_version",
    "sync_files",
    "whole_version",
]

ENDINGS = {".manifest": b"LANC", ".lance": b"LANC", ".idx": b"LANC", ".arrow": b"ARROW1", ".bin": b""}
"""Last bytes of a whole file, by suffix."""
ATTEMPTS = 5
"""Attempts to open a dataset that another process keeps replacing."""

_warned: set[tuple[Path, int]] = set()


class TruncatedError(OSError):
    """A file of a dataset is truncated or missing, as after a power cut or a failed write.

    Args:
        message: what is wrong.
        file: the file; None: unknown.
    """

    def __init__(self, message: str, file: Path | None = None) -> None:
        super().__init__(message)
        self.file = file


def has_version(path: Path) -> bool:
    """Whether a dataset was ever committed: a kill or a full disk can leave its folders without a commit."""
    if is_remote(path):
        versions = path / "_versions"
        return versions.is_dir() and any(entry.suffix == ".manifest" for entry in versions.iterdir())
    manifests = _manifests(path)
    if set(manifests) == {1}:  # a power cut can truncate the manifest of the first commit
        with suppress(FileNotFoundError):
            return _is_whole(manifests[1], None)
    return bool(manifests)


def newest_version(folder: Path) -> int:
    """The highest version that has a manifest, whole or not; 0 if there is none."""
    return max(_manifests(folder), default=0)


def _manifests(folder: Path) -> dict[int, Path]:
    """Paths of the manifests by version, newest first."""
    found = {}
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in (folder / "_versions").iterdir():
            if entry.suffix == ".manifest" and (version := version_of(entry.name)):
                found[version] = entry
    return dict(sorted(found.items(), reverse=True))


def _is_whole(file: Path, size: int | None) -> bool:
    """Whether a file has its full size or, if that is unknown, ends as its format requires."""
    if size is not None:
        return file.stat().st_size >= size  # `check_data_files` checks how it ends
    ending = ENDINGS.get(file.suffix, b"")
    with file.open("rb") as opened:
        length = opened.seek(0, 2)
        if length < max(1, len(ending)):
            return False
        opened.seek(length - len(ending))
        return opened.read(len(ending)) == ending


def check_files(files: Iterable[tuple[Path, int | None]]) -> None:
    """Check that files are whole.

    Args:
        files: their paths and sizes in bytes (None: unknown).

    Raises:
        TruncatedError: a file is truncated or missing.
    """
    for file, size in files:
        try:
            if not _is_whole(file, size):
                expected = "" if size is None else f" of {size:,}"
                raise TruncatedError(f"{file.name} is truncated: it has {file.stat().st_size:,}{expected} bytes", file)
        except FileNotFoundError:
            raise TruncatedError(f"{file.name} is missing", file) from None


def files_of(folder: Path, dataset: Any) -> dict[Path, int | None]:
    """The files of an open version (rows, deletions, indices, manifest) and their sizes in bytes (None: unknown)."""
    files: dict[Path, int | None] = {}
    for fragment in dataset.get_fragments():
        described = fragment.metadata
        files |= {folder / "data" / each.path: each.file_size_bytes for each in described.files}
        if described.deletion_file is not None:
            files[folder / str(fragment.deletion_file())] = None
    for index in dataset.describe_indices():
        for segment in index.segments:
            of_segment = folder / "_indices" / str(segment.uuid)
            inside = list(of_segment.iterdir()) if of_segment.is_dir() else [of_segment]
            files |= dict.fromkeys(inside)
    manifest = _manifests(folder).get(dataset.version)
    return files if manifest is None else files | {manifest: None}


def whole_version(folder: Path, *, is_derived: bool = False) -> Any:
    """Open the newest version of a local dataset whose files are all whole; warn if it is not the newest of all.

    Args:
        folder: the dataset.
        is_derived: its versions are not synced, so a power cut may have hurt any of them.

    Raises:
        StoreError: a bad data file belongs to an earlier version, too, so it is no power cut that made it bad.
        TruncatedError: there is no such version.
        OSError and other errors of Lance: the dataset is corrupt, or does not exist.
    """
    for attempt in range(ATTEMPTS):
        newest = newest_version(folder)
        try:
            dataset = lance_package().dataset(lance_name(folder)) if not newest else _opened(folder, newest)
        except TruncatedError as error:
            if newest_version(folder) == newest:
                return _former(folder, newest, error, is_derived=is_derived)
        except (OSError, ValueError):
            if attempt == ATTEMPTS - 1 or newest_version(folder) == newest:
                raise
        else:
            return dataset
    raise TruncatedError("another process keeps replacing it")


def _opened(folder: Path, version: int) -> Any:
    manifest = _manifests(folder).get(version)
    if manifest is None:
        raise TruncatedError(f"the manifest of version {version} is missing")
    check_files([(manifest, None)])
    dataset = lance_package().dataset(lance_name(folder), version=version)
    check_files(files_of(folder, dataset).items())
    return dataset


def _former(folder: Path, newest: int, reason: TruncatedError, *, is_derived: bool) -> Any:
    if not is_derived:
        _check_recent(folder, newest, reason)
    for version in _manifests(folder):
        if version < newest:
            try:
                dataset = _opened(folder, version)
            except TruncatedError as error:
                if not is_derived:
                    _check_recent(folder, version, error)
            except (OSError, ValueError):
                continue
            else:
                if (folder, newest) not in _warned and parent_process() is None:
                    _warned.add((folder, newest))
                    logging.getLogger("fabnet").warning(
                        "warning: version %d of %s is incomplete (%s), as by a power cut: using version %d, %s rows",
                        newest, folder, reason, version, f"{dataset.count_rows():,}",
                    )  # fmt: skip
                return dataset
    raise reason


def _check_recent(folder: Path, version: int, reason: TruncatedError) -> None:
    """Refuse a bad data file that an earlier version names, too, because all later versions would be taken back."""
    if reason.file is None or reason.file.parent != folder / "data":
        return
    for earlier, manifest in _manifests(folder).items():
        if earlier < version:
            with suppress(OSError, ValueError):  # a manifest may be truncated
                check_files([(manifest, None)])
                dataset = lance_package().dataset(lance_name(folder), version=earlier)
                named = {each.path for fragment in dataset.get_fragments() for each in fragment.data_files()}
                if reason.file.name not in named:
                    return
                raise StoreError(
                    f"{folder} is damaged: data/{reason}. Earlier versions need this file, too, so nothing was "
                    "changed: restore it from a copy, or make the dataset again in another place"
                )


def discard_after(folder: Path, version: int, *, whole_too: bool) -> None:
    """Take back the versions after one. Only for the one process that writes.

    Args:
        folder: a local dataset.
        version: the last version to keep; 0: keep none.
        whole_too: also remove versions whose files are all whole.
    """
    removed = False
    for number, manifest in _manifests(folder).items():
        if number > version:
            if not whole_too:
                with suppress(TruncatedError):
                    _opened(folder, number)
                    continue
            manifest.unlink(missing_ok=True)
            removed = True
    if removed:
        sync_folder(folder / "_versions")


def discard_truncated(folder: Path) -> None:
    """Remove truncated manifests, since Lance reads all manifests when it removes versions.

    They belong to versions between the former and the current one, which were never synced.
    """
    for manifest in _manifests(folder).values():
        if not _is_whole(manifest, None):
            manifest.unlink(missing_ok=True)


def sync_files(folder: Path, files: Collection[Path]) -> None:
    """Sync files of a dataset and the folders that contain them."""
    for file in sorted(files):
        sync(file)
    for each in sorted({parent for file in files for parent in file.parents if folder in parent.parents}):
        sync_folder(each)
