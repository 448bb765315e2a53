"""Lance's datasets: opened, added to, changed and merged; refusals and damages as they look through Lance.

Nothing old goes before the new is safe. What replaces or removes rows commits within `changing`, which syncs the new
version, opens it again and counts it; only then `sweep` removes what former versions need. Cut at any moment, a dataset
opens at its old or its new version. An object store's objects appear whole, and stay once they are there: there is
nothing to sync.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from lance.fragment import FragmentMetadata, write_fragments
from lance.optimize import Compaction

from fabnet.errors import StoreError, first_line
from fabnet.files.lance_checks import LISTS_BYTES, check_data_files
from fabnet.files.lance_manifests import check_manifests
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
"""Of a file, where all fragments are rewritten."""
COPIED_BYTES = 2**23
"""Read at once when fragments are merged as bytes: decoded, their pictures would fill the memory."""


LANCE_FOLDERS = frozenset({"data", "_versions", "_transactions"})
"""Of a dataset without deletions and indexes; a kill leaves them of a first attempt."""


def has_dataset(path: Path) -> bool:
    """Say whether there is a Lance dataset: a kill or a full disk can leave its folders without a first commit.

    This is asked before one is opened, added to or replaced, so one that leads out of its folder is refused here.

    Raises:
        StoreError: it holds a link, or names files of another place.
    """
    if not is_remote(path) and (path / "_versions").exists():
        # First of all: the next line opens a file there.
        check_links(path, "a store or dataset", only=("_versions",), error=StoreError)
    if not has_version(path):
        return False
    if not is_remote(path):
        check_links(path, "a store or dataset", error=StoreError)
    check_manifests(path)
    return True


def foreign(path: Path, own: Collection[str]) -> list[str]:
    """Names of what lies in a place and was left there by no attempt at a Lance dataset: nothing may be made there.

    Args:
        path: of a folder, which need not be there.
        own: further names are foreign.
    """
    if not path.is_dir():
        return []
    names = [entry.name for entry in _within(path) if entry.name not in own]
    data = path / "data"  # a usual name for what is somebody's own: datasets, too, which `sweep` would empty
    if data.is_dir():
        names += [f"data/{each.name}" for each in _within(data) if each.is_dir() or not _is_lances(each.name)]
    return sorted(names)


def _is_lances(name: str) -> bool:
    return name.endswith(".lance") or name.startswith(".tmp")


def _within(path: Path) -> Iterator[Path]:
    """What a folder holds; consoles of object stores mark one by an object of its own name and a slash."""
    for entry in path.iterdir():
        if not (is_remote(path) and entry.name == path.name and not entry.exists()):
            yield entry


def open_dataset(folder: Path, *, lists_bytes: float = LISTS_BYTES) -> Any:
    """Open a Lance dataset, after a look at its data files; for use within `lance_reads`.

    A version with truncated files, as a power cut leaves it, is passed over with a warning; see `whole_version`. In a
    bucket files are not looked at: that would be a request a file, each time.

    Args:
        folder: of the dataset.
        lists_bytes: as `check_data_files` takes it.

    Raises:
        OSError, and what else Lance raises: it is damaged, or there is none.
    """
    dataset = lance.dataset(lance_name(folder)) if is_remote(folder) else whole_version(folder)
    if not is_remote(folder):
        check_data_files(folder, dataset, lists_bytes=lists_bytes)
    _ = dataset.schema  # read here, where a damaged one can be told, and kept
    return dataset


@contextmanager
def lance_writes(path: Path) -> Iterator[None]:
    """Turn a refusal to write into one clear line; Lance reports them as text: `... (os error 28)`.

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
    """Turn what Lance raises at a damaged dataset into one clear line.

    Args:
        what: is read, for the message: "the store PATH".

    Raises:
        StoreError: it is damaged. A full disk is left to `lance_writes` around it.
    """
    try:
        yield
    except BaseException as error:
        # Lance's Rust code panics at some damages, which Python sees as no Exception.
        is_panic = type(error).__name__ == "PanicException"
        if (refused := refusal(error)) is not None:
            raise StoreError(f"{what} cannot be read: {refused}") from None
        if not is_panic and not isinstance(error, OSError | ValueError | RuntimeError | KeyError | pa.ArrowException):
            raise
        if isinstance(error, OSError) and error.errno:  # the system's; Lance's own have a text alone
            raise StoreError(
                f"{what} cannot be read: {error.strerror}: check its name, permissions and disk"
            ) from error
        reason = first_line(error).split(", /")[0]
        is_unreached = re.search(r"Generic (S3|GCS|MicrosoftAzure) error", reason)
        advice = "check the network and the credentials" if is_unreached else "it is damaged; make it again"
        raise StoreError(f"{what} cannot be read ({reason}): {advice}") from error


@dataclass(slots=True)
class Change:
    """A change of a dataset, from `changing`."""

    dataset: Any
    """The dataset before it; None where there is none."""
    rows: int
    """The number of rows that it must have afterwards."""
    safe: set[Path]
    """Files of it that were synced already."""


@contextmanager
def changing(folder: Path, *, is_derived: bool = False) -> Iterator[Change]:
    """Give a dataset to change by one commit or several, and return when the last of them is safe.

    Its files are synced, it is opened again, and its rows are counted; if any of this fails, or the block raises, the
    commits are taken back. The former version stays until `sweep`. Only for the one process that writes.

    Args:
        folder: of the dataset, which need not be there.
        is_derived: its rows are known elsewhere: they are not synced, which saves time; what a power cut truncates is
            passed over and made again.

    Raises:
        OSError, and what else Lance raises: the dataset is as it was before.
    """
    dataset = open_dataset(folder) if has_dataset(folder) else None
    version = 0 if dataset is None else dataset.version
    change = Change(dataset, 0 if dataset is None else dataset.count_rows(), set())
    if is_remote(folder):
        yield change
        return
    discard_after(folder, version, whole_too=False)  # what a power cut left of a later one
    former = {} if dataset is None else files_of(folder, dataset)
    try:
        yield change
        if newest_version(folder) == version:
            return
        changed = open_dataset(folder)
        if changed.version != newest_version(folder):
            raise OSError(f"the disk did not take all of version {newest_version(folder)}: run the same command again")
        if (rows := changed.count_rows()) != change.rows:
            raise OSError(f"{rows:,} rows arrived, of {change.rows:,}: run the same command again")
        if not is_derived:
            new = files_of(folder, changed).keys() - former.keys()
            sync_files(folder, new - change.safe)
            if {file.parent for file in new} - {file.parent for file in former}:  # folders are new, too
                sync_folder(folder)
                sync_folder(folder.parent)
    except BaseException:
        with suppress(OSError):  # a disk that takes nothing: opening passes over what is not whole
            discard_after(folder, version, whole_too=True)
        raise


def put_fragments(
    folder: Path, rows: pa.Table | pa.RecordBatchReader, schema: pa.Schema, *, add_to: Any = None, synced: bool = True
) -> list[FragmentMetadata]:
    """Write rows to files of a dataset that no version refers to yet, and return when these are safe.

    Args:
        folder: of the dataset, which need not be there.
        rows: are streamed.
        schema: of the rows.
        add_to: the open dataset that they will be further rows of; None: they will be all rows of one.
        synced: False: only see that they were written.
    """
    mode = "append" if add_to is not None else "overwrite" if has_dataset(folder) else "create"
    if mode == "overwrite" and not is_remote(folder):
        discard_after(folder, open_dataset(folder).version, whole_too=False)  # Lance opens the newest
    to = lance_name(folder) if add_to is None else add_to
    made: list[FragmentMetadata] = write_fragments(rows, to, schema=schema, mode=mode)
    if not is_remote(folder):
        files = {folder / "data" / each.path: each.file_size_bytes for one in made for each in one.files}
        check_files(files.items())
        if synced:
            sync_files(folder, files)
    return made


def write_rows(
    folder: Path,
    rows: pa.Table | pa.RecordBatchReader | list[FragmentMetadata],
    schema: pa.Schema,
    *,
    overwrite: bool = False,
    is_derived: bool = False,
) -> Any:
    """Add rows to a dataset in one commit, or have them replace all others; it is made if it is not there.

    Args:
        folder: of the dataset.
        rows: are streamed; or the files that `put_fragments` made of them.
        schema: of the rows.
        overwrite: the rows replace all others.
        is_derived: as `changing` takes it.

    Returns:
        The dataset.
    """
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
            lance.LanceOperation.Overwrite(schema, fragments) if former is None
            else lance.LanceOperation.Append(fragments)
        )  # fmt: skip
        read = None if former is None else former.version
        dataset = lance.LanceDataset.commit(lance_name(folder), operation, read_version=read)
    return dataset


def append_table(store: Path, name: str, table: pa.Table, *, is_derived: bool = False) -> None:
    """Add rows to a small dataset that a store keeps beside its own, in one commit; make it if it is not there.

    Args:
        store: folder of the store.
        name: of the dataset's folder in it.
        table: the rows.
        is_derived: as `changing` takes it.

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
    """Merge the small fragments of a dataset; the rows keep their order. Only for the one process that writes.

    Lance puts what it writes anew behind all that it does not. Small fragments before a large one stay as they are.

    Args:
        folder: of the dataset.
        with_deletions: write all fragments anew, without the rows that were deleted, where there are any.
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
    tasks = Compaction.plan(dataset, options).tasks
    merged = {each.id for task in tasks for each in task.fragments}
    last = max((each.fragment_id for each in dataset.get_fragments() if each.fragment_id not in merged), default=-1)
    behind = [task for task in tasks if all(each.id > last for each in task.fragments)]
    if behind:
        Compaction.commit(dataset, [task.execute(dataset) for task in behind])


def sweep(folder: Path, *, leftovers: bool = True) -> None:
    """Remove the files that only former versions of a dataset need, once the disk holds the current one.

    Only for the one process that writes.

    Args:
        folder: of the dataset.
        leftovers: remove files that no version needs, too: of writers that were killed, if no other one is at work.
    """
    dataset = open_dataset(folder)
    if not is_remote(folder):
        discard_after(folder, dataset.version, whole_too=False)
        sync_files(folder, files_of(folder, dataset))
        discard_truncated(folder)
    dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=leftovers)
    if leftovers and not is_remote(folder):
        for file in folder.rglob(".tmp*"):  # half-written, by a killed writer: Lance forgets its own
            file.unlink(missing_ok=True)
    if not is_remote(folder):
        for name in ("data", "_versions", "_deletions", "_indices"):  # no power cut brings back what was removed
            if (folder / name).is_dir():
                sync_folder(folder / name)
