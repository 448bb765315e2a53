"""`fabnet compact`: merges the files of a store or an embeddings dataset and removes its history."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabnet.errors import StoreError
from fabnet.files.lance import changing, lance_reads, lance_writes, merge_files, open_dataset, sweep
from fabnet.files.lance_lock import locked
from fabnet.files.places import as_place
from fabnet.runtime.progress import progress
from fabnet.store.ledger import replace_ledger
from fabnet.store.side_table import forget_tracks
from fabnet.store.spool import spool_folder
from fabnet.store.track_store import open_store
from fabnet.upkeep.datasets import disk_use, kind_of, removing

__all__ = ["CompactReport", "compact"]

MAX_INDEX_PARTS = 100
"""Parts of an index that are merged into one; more than are ever added."""


@dataclass(frozen=True, slots=True)
class CompactReport:
    """The result of compacting."""

    path: str
    """Folder of the store or dataset."""
    kind: str
    """store or embeddings."""
    rows: int
    """Number of rows, which does not change."""
    files_before: int
    """Number of files below the folder before."""
    files_after: int
    """Number of files below the folder after."""
    bytes_before: int
    """Size of these files before."""
    bytes_after: int
    """Size of these files after."""

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def compact(path: str | Path) -> CompactReport:
    """Merge the files of a track store or an embeddings dataset, and remove those that only its history needs.

    Rows keep their order and so their numbers; the ledger keeps the last word on each input; where tracks begin is
    noted anew; rows that were added since an index was built are put into it. Killed at any moment, what is there
    stays whole, and the next call removes what is left over.

    Args:
        path: a store or a dataset that nothing else is writing to.

    Raises:
        StoreError: it is neither, damaged, or in use by a command that writes.
        OutputError: the disk is full, or writing there is not allowed.
    """
    path = as_place(path)
    kind = kind_of(path)
    with locked(path):
        if removing(path):
            raise StoreError(f"{path}: a removal was interrupted; finish it first with `fabnet remove {path}`")
        files_before, bytes_before = disk_use(path)
        with progress("compacting", unit="steps"), lance_writes(path):
            if kind == "store":
                store = open_store(path)
                shutil.rmtree(spool_folder(path), ignore_errors=True)
                store.recover()
                replace_ledger(path, list(store.ledger().values()))
            with lance_reads(str(path)):
                # The index is first, because Lance only merges files that are in the same parts of an index.
                if open_dataset(path).describe_indices():
                    with changing(path) as change:
                        change.dataset.optimize.optimize_indices(num_indices_to_merge=MAX_INDEX_PARTS)
                merge_files(path)
                sweep(path)
                rows = open_dataset(path).count_rows()
            if kind == "store":
                forget_tracks(path)
                open_store(path).note_tracks()
        files_after, bytes_after = disk_use(path)
    return CompactReport(str(path), kind, rows, files_before, files_after, bytes_before, bytes_after)
