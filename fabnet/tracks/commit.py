"""Lance's datasets: opened, added to in small commits, merged; refusals and damages as they look through Lance."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from lance.optimize import Compaction

from fabnet.errors import StoreError, first_line
from fabnet.links import check_links
from fabnet.output import output_errors
from fabnet.places import is_remote, lance_name, refusal
from fabnet.tracks.data_files import LISTS_BYTES, check_data_files
from fabnet.tracks.manifests import check_manifests

__all__ = [
    "LANCE_FOLDERS",
    "append_table",
    "foreign",
    "has_dataset",
    "lance_reads",
    "lance_writes",
    "merge_files",
    "open_dataset",
    "sweep",
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
    versions = path / "_versions"
    if not versions.is_dir() or not any(entry.suffix == ".manifest" for entry in versions.iterdir()):
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

    In a bucket they are not looked at: that would be a request a file, each time.

    Args:
        folder: of the dataset.
        lists_bytes: as `check_data_files` takes it.

    Raises:
        OSError, and what else Lance raises: it is damaged, or there is none.
    """
    dataset = lance.dataset(lance_name(folder))
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
        reason = first_line(error).split(", /")[0]
        is_unreached = re.search(r"Generic (S3|GCS|MicrosoftAzure) error", reason)
        advice = "check the network and the credentials" if is_unreached else "it is damaged; make it again"
        raise StoreError(f"{what} cannot be read ({reason}): {advice}") from error


def append_table(store: Path, name: str, table: pa.Table) -> None:
    """Add rows to a small dataset that a store keeps beside its own, in one commit; make it if it is not there.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    folder = store / name
    with lance_reads(str(folder)), lance_writes(store):
        mode = "append" if has_dataset(folder) else "create"
        dataset = lance.write_dataset(table, lance_name(folder), schema=table.schema, mode=mode)
        if len(dataset.get_fragments()) > MAX_FRAGMENTS:
            dataset.optimize.compact_files()
            sweep(folder, leftovers=not is_remote(folder))


def merge_files(folder: Path, *, with_deletions: bool = False) -> None:
    """Merge the small fragments of a dataset; the rows keep their order. Only for the one process that writes.

    Lance puts what it writes anew behind all that it does not. Small fragments before a large one stay as they are.

    Args:
        folder: of the dataset.
        with_deletions: write all fragments anew, without the rows that were deleted, where there are any.
    """
    dataset = open_dataset(folder)
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
    """Remove the files that only former versions of a dataset need. Only for the one process that writes.

    Args:
        folder: of the dataset.
        leftovers: remove files that no version needs, too: of writers that were killed, if no other one is at work.
    """
    lance.dataset(lance_name(folder)).cleanup_old_versions(older_than=timedelta(0), delete_unverified=leftovers)
    if leftovers and not is_remote(folder):
        for file in folder.rglob(".tmp*"):  # half-written, by a killed writer: Lance forgets its own
            file.unlink(missing_ok=True)
