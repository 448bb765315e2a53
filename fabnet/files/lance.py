"""Lance datasets: opens, extends, changes and merges them, and turns Lance's errors into one clear line.

No old data is removed before the new data is safe. Code that replaces or removes rows commits within `changing`, which
syncs the new version, opens it again and counts its rows; only then does `sweep` remove the files of former versions.
After an interruption at any moment, a dataset opens at its old or its new version. Object stores need no sync: their
objects appear whole and are durable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fabnet.errors import StoreError, first_line
from fabnet.files.lance_checks import LISTS_BYTES, check_data_files
from fabnet.files.lance_manifests import check_manifests
from fabnet.files.lance_package import lance_package
from fabnet.files.lance_stream import streamed
from fabnet.files.lance_versions import (
    check_files,
    discard_after,
    discard_truncated,
    files_of,
    has_version,
    newest_version,
    sync_files,
    whole_version,
)
from fabnet.files.links import check_links
from fabnet.files.output import output_errors
from fabnet.files.places import is_remote, lance_name, refusal
from fabnet.files.sync import sync_folder

if TYPE_CHECKING:
    from lance.fragment import FragmentMetadata

__all__ = [
    "LANCE_FOLDERS",
    "Change",
    "append_table",
    "changing",
    "foreign",
    "has_dataset",
    "lance_reads",
    "lance_writes",
    "merge_files",
    "open_dataset",
    "put_fragments",
    "sweep",
    "write_rows",
]

MAX_FRAGMENTS = 64
ROWS_PER_FRAGMENT = 100_000
"""Fragments larger than this are never rewritten, unless rows were deleted."""
REWRITTEN_BYTES = 2**30
"""Maximum size of a file when all fragments are rewritten."""
COPIED_BYTES = 2**23
"""Bytes read at once when fragments are merged as bytes. Decoded, their pictures would fill the memory."""


LANCE_FOLDERS = frozenset({"data", "_versions", "_transactions"})
"""Folders of a dataset without deletions and indices. A first attempt that is killed leaves them behind."""


def has_dataset(path: Path) -> bool:
    """Whether there is a Lance dataset: a kill or a full disk can leave its folders without a first commit.

    This is called before a dataset is opened, extended or replaced, so a dataset that leads out of its folder is
    refused here.

    Raises:
        StoreError: it contains a link, or names files of another place.
    """
    if not is_remote(path) and path.is_symlink() and not path.exists():
        return False  # dangling, or part of a loop, which listing its folders would report as a system error
    if not is_remote(path) and (path / "_versions").exists():
        # This comes first because `has_version` opens a file there.
        check_links(path, "a store or dataset", only=("_versions",), error=StoreError)
    if not has_version(path):
        return False
    if not is_remote(path):
        check_links(path, "a store or dataset", error=StoreError)
    check_manifests(path)
    return True


def foreign(path: Path, own: Collection[str]) -> list[str]:
    """Names of the files and folders at a place that no Lance dataset left there, so that none may be made there.

    Args:
        path: a folder, which need not exist.
        own: names that may be there; all others are foreign.
    """
    if not path.is_dir():
        return []
    names = [entry.name for entry in _within(path) if entry.name not in own]
    data = path / "data"  # users have folders of this name, too, which `sweep` would empty
    if data.is_dir():
        names += [f"data/{each.name}" for each in _within(data) if each.is_dir() or not _is_lances(each.name)]
    return sorted(names)


def _is_lances(name: str) -> bool:
    return name.endswith(".lance") or name.startswith(".tmp")


def _within(path: Path) -> Iterator[Path]:
    """The entries of a folder, without the object `NAME/` with which consoles of object stores mark a folder."""
    for entry in path.iterdir():
        if not (is_remote(path) and entry.name == path.name and not entry.exists()):
            yield entry


def open_dataset(folder: Path, *, lists_bytes: float = LISTS_BYTES, is_derived: bool = False) -> Any:
    """Open a Lance dataset and check its data files; for use within `lance_reads`.

    A version with truncated files, as after a power cut, is skipped with a warning; see `whole_version`. Files in a
    bucket are not checked: that would take one request per file, each time.

    Args:
        folder: the dataset.
        lists_bytes: as in `check_data_files`.
        is_derived: as in `changing`.

    Raises:
        StoreError: a data file that earlier versions need, too, is truncated or missing.
        OSError and other errors of Lance: the dataset is corrupt, or does not exist.
    """
    if is_remote(folder):
        dataset = lance_package().dataset(lance_name(folder))
    else:
        dataset = whole_version(folder, is_derived=is_derived)
        check_data_files(folder, dataset, lists_bytes=lists_bytes)
    _ = dataset.schema  # cached by Lance; a corrupt schema raises here, where it is reported
    return dataset


@contextmanager
def lance_writes(path: Path) -> Iterator[None]:
    """Turn a write error into one clear line; Lance gives the error number only as text: `... (os error 28)`.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    with output_errors(path):
        try:
            yield
        except OSError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if error.errno is None and number:
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
            raise


@contextmanager
def lance_reads(what: str) -> Iterator[None]:
    """Turn Lance's errors about a corrupt dataset into one clear line.

    Args:
        what: name of the dataset for the message: "the store PATH".

    Raises:
        StoreError: the dataset is corrupt or cannot be read.
    """
    try:
        yield
    except BaseException as error:
        # Lance's Rust code panics on some corrupt data; a PanicException is not an Exception.
        is_panic = type(error).__name__ == "PanicException"
        if (refused := refusal(error)) is not None:
            raise StoreError(f"{what} cannot be read: {refused}") from None
        if not is_panic and not isinstance(error, OSError | ValueError | RuntimeError | KeyError | pa.ArrowException):
            raise
        if isinstance(error, OSError) and error.errno:  # an error of the system; Lance's own errors have no errno
            raise StoreError(
                f"{what} cannot be read: {error.strerror}: check its name, permissions and disk"
            ) from error
        reason = first_line(error).split(", /")[0]
        is_unreached = re.search(r"Generic (S3|GCS|MicrosoftAzure) error", reason)
        advice = "check the network and the credentials" if is_unreached else "truncated or corrupt: make it again"
        raise StoreError(f"{what} cannot be read ({reason}): {advice}") from error


@dataclass(slots=True)
class Change:
    """A change of a dataset, from `changing`."""

    dataset: Any
    """The dataset before the change; None if there is none."""
    rows: int
    """Number of rows that the dataset must have after the change."""
    safe: set[Path]
    """Files of the change that are already synced."""


@contextmanager
def changing(folder: Path, *, is_derived: bool = False) -> Iterator[Change]:
    """Yield a dataset to change by one or more commits in the block; at its end, make the last commit durable.

    The new files are synced, the dataset is opened again, and its rows are counted. If any of this fails, or the block
    raises, the commits are undone. The former version stays until `sweep`. Only the one writing process may call this.

    Args:
        folder: the dataset, which need not exist.
        is_derived: the rows can be computed again, so they are not synced, which saves time; a version that a power
            cut truncates is skipped.

    Raises:
        OSError and other errors of Lance: the dataset is as it was before.
    """
    dataset = open_dataset(folder, is_derived=is_derived) if has_dataset(folder) else None
    version = 0 if dataset is None else dataset.version
    change = Change(dataset, 0 if dataset is None else dataset.count_rows(), set())
    if is_remote(folder):
        yield change
        return
    discard_after(folder, version, whole_too=False)  # truncated later versions, as after a power cut
    former = {} if dataset is None else files_of(folder, dataset)
    try:
        yield change
        if newest_version(folder) == version:
            return
        changed = open_dataset(folder, is_derived=is_derived)
        if changed.version != newest_version(folder):
            raise OSError(f"version {newest_version(folder)} was written incompletely: run the same command again")
        if (rows := changed.count_rows()) != change.rows:
            raise OSError(f"{rows:,} of {change.rows:,} rows were written: run the same command again")
        if not is_derived:
            new = files_of(folder, changed).keys() - former.keys()
            sync_files(folder, new - change.safe)
            if {file.parent for file in new} - {file.parent for file in former}:  # some folders are new, too
                sync_folder(folder)
                sync_folder(folder.parent)
    except BaseException:
        with suppress(OSError):  # the disk may refuse this, too; opening then skips the truncated version
            discard_after(folder, version, whole_too=True)
        raise


def put_fragments(
    folder: Path,
    rows: pa.Table | Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    add_to: Any = None,
    synced: bool = True,
) -> list[FragmentMetadata]:
    """Write rows to data files that no version of the dataset names yet, and sync them.

    Args:
        folder: the dataset, which need not exist.
        rows: the rows, a table or batches, which are streamed; what they raise is raised here.
        schema: schema of the rows.
        add_to: the open dataset to which the rows will be added; None: they will be the only rows of the dataset.
        synced: whether to sync the files; their sizes are checked in any case.
    """
    mode = "append" if add_to is not None else "overwrite" if has_dataset(folder) else "create"
    if mode == "overwrite" and not is_remote(folder):
        discard_after(folder, open_dataset(folder).version, whole_too=False)  # Lance would open the newest one
    to = lance_name(folder) if add_to is None else add_to
    write = partial(lance_package().fragment.write_fragments, schema=schema, mode=mode)
    made: list[FragmentMetadata]
    made = write(rows, to) if isinstance(rows, pa.Table) else streamed(rows, schema, lambda stream: write(stream, to))
    if not is_remote(folder):
        files = {folder / "data" / each.path: each.file_size_bytes for one in made for each in one.files}
        check_files(files.items())
        if synced:
            sync_files(folder, files)
    return made


def write_rows(
    folder: Path,
    rows: pa.Table | Iterable[pa.RecordBatch] | list[FragmentMetadata],
    schema: pa.Schema,
    *,
    overwrite: bool = False,
    is_derived: bool = False,
) -> Any:
    """Add rows to a dataset in one commit, or replace all of its rows; create it if it does not exist.

    Args:
        folder: the dataset.
        rows: as in `put_fragments`, or the fragments that it made of them.
        schema: schema of the rows.
        overwrite: replace all rows of the dataset.
        is_derived: as in `changing`.

    Returns:
        The dataset.
    """
    package = lance_package()
    with changing(folder, is_derived=is_derived) as change:
        former = None if overwrite else change.dataset
        fragments = (
            rows if isinstance(rows, list)
            else put_fragments(folder, rows, schema, add_to=former, synced=not is_derived)
        )  # fmt: skip
        change.safe |= {folder / "data" / each.path for one in fragments for each in one.files}
        added = sum(each.num_rows for each in fragments)
        change.rows = added + (0 if former is None else change.rows)
        operation: Any = (
            package.LanceOperation.Overwrite(schema, fragments) if former is None
            else package.LanceOperation.Append(fragments)
        )  # fmt: skip
        read = None if former is None else former.version
        dataset = package.LanceDataset.commit(lance_name(folder), operation, read_version=read)
    return dataset


def append_table(store: Path, name: str, table: pa.Table, *, is_derived: bool = False) -> None:
    """Add rows in one commit to a small dataset inside a store's folder; create it if it does not exist.

    Args:
        store: folder of the store.
        name: name of the dataset's folder in it.
        table: the rows.
        is_derived: as in `changing`.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    folder = store / name
    with lance_reads(str(folder)), lance_writes(store):
        dataset = write_rows(folder, table, table.schema, is_derived=is_derived)
        if len(dataset.get_fragments()) > MAX_FRAGMENTS:
            with changing(folder) as change:
                change.dataset.optimize.compact_files()
            sweep(folder, leftovers=not is_remote(folder))


def merge_files(folder: Path, *, with_deletions: bool = False) -> None:
    """Merge the small fragments of a dataset; the rows keep their order. Only the one writing process may call this.

    Lance moves rewritten fragments behind all others, so small fragments before a large one are left as they are.

    Args:
        folder: the dataset.
        with_deletions: rewrite all fragments that contain deleted rows, without these rows.
    """
    with changing(folder) as change:
        _merge(change.dataset, with_deletions=with_deletions)


def _merge(dataset: Any, *, with_deletions: bool) -> None:
    if with_deletions:
        dataset.optimize.compact_files(
            target_rows_per_fragment=2**40, max_bytes_per_file=REWRITTEN_BYTES, batch_size=256, num_threads=1,
            materialize_deletions=True, materialize_deletions_threshold=0.0,
        )  # fmt: skip
        return
    options: dict[str, Any] = {
        "target_rows_per_fragment": ROWS_PER_FRAGMENT, "num_threads": 1,
        "compaction_mode": "try_binary_copy", "binary_copy_read_batch_bytes": COPIED_BYTES,
    }  # fmt: skip
    from lance.optimize import Compaction

    tasks = Compaction.plan(dataset, options).tasks
    merged = {each.id for task in tasks for each in task.fragments}
    last = max((each.fragment_id for each in dataset.get_fragments() if each.fragment_id not in merged), default=-1)
    behind = [task for task in tasks if all(each.id > last for each in task.fragments)]
    if behind:
        Compaction.commit(dataset, [task.execute(dataset) for task in behind])


def sweep(folder: Path, *, leftovers: bool = True) -> None:
    """Sync the current version of a dataset, then remove the files that only former versions need.

    Only the one writing process may call this.

    Args:
        folder: the dataset.
        leftovers: also remove files that no version needs, left by killed writers. No other writer may be running.
    """
    dataset = open_dataset(folder)
    if not is_remote(folder):
        discard_after(folder, dataset.version, whole_too=False)
        sync_files(folder, files_of(folder, dataset))
        discard_truncated(folder)
    dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=leftovers)
    if leftovers and not is_remote(folder):
        for file in folder.rglob(".tmp*"):  # half-written files of killed writers, which Lance does not remove
            file.unlink(missing_ok=True)
    if not is_remote(folder):
        for name in ("data", "_versions", "_deletions", "_indices"):  # so that no power cut restores removed files
            if (folder / name).is_dir():
                sync_folder(folder / name)
