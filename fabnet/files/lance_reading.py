"""Reading a dataset while other commands add to it, merge its files, remove people from it or write it anew.

Rows have numbers. Adding rows and merging files keep them; a removal and writing anew do not. So a dataset names its
numbering, its generation, and a removal renews the name. A reader goes on with the files of another version only if its
generation is the same; otherwise it says that the dataset was rewritten.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from fabnet.errors import RewrittenError, StoreError
from fabnet.files.lance import lance_reads

__all__ = ["GENERATION", "UNNAMED", "Reader", "generation_of", "new_generation", "renew_generation", "row_numbers"]

GENERATION = "fabnet.generation"
"""In a dataset's metadata: the name of its numbering. Datasets of earlier versions have none until a removal."""
UNNAMED = "0"
"""Of a dataset without one."""
ATTEMPTS = 5
WAIT_S = 0.1
"""How long a dataset that is being replaced is waited for, each time."""

T = TypeVar("T")


def new_generation() -> dict[str, str]:
    """Metadata with a name that no other generation has."""
    return {GENERATION: secrets.token_hex(8)}


def renew_generation(dataset: Any) -> None:
    """Give a dataset's numbering another name, in a commit of its own.

    Rows that are marked as deleted count as a part of the name. So rows are deleted first, then the name is renewed,
    and only then files are merged: a kill between any two of these leaves no version that has an earlier one's name and
    other rows.

    Args:
        dataset: opened; only for the one process that writes.
    """
    dataset.update_schema_metadata(new_generation())


def generation_of(dataset: Any) -> str:
    """The name of the numbering of an open dataset's rows."""
    name = (dataset.schema.metadata or {}).get(GENERATION.encode(), UNNAMED.encode()).decode(errors="replace")
    deleted = sum(fragment.num_deletions for fragment in dataset.get_fragments())
    return f"{name}-{deleted}" if deleted else name


def row_numbers(dataset: Any, addresses: Sequence[int]) -> list[int]:
    """The numbers of rows by their addresses, as `take` takes them; rows that are marked as deleted have none."""
    fragments = dataset.get_fragments()
    starts = dict(zip((each.fragment_id for each in fragments),
                      accumulate((each.count_rows() for each in fragments), initial=0), strict=False))  # fmt: skip
    left: dict[int, np.ndarray] = {}
    for each in fragments:
        if each.num_deletions:
            rows = each.scanner(columns=[], with_row_address=True).to_table()
            left[each.fragment_id] = rows.column("_rowaddr").to_numpy()
    found = []
    for address in addresses:
        fragment, place = divmod(address, 2**32)
        found.append(starts[fragment] + (int(np.searchsorted(left[fragment], address)) if fragment in left else place))
    return found


class Reader:
    """An open dataset. It can be pickled: the other process opens it when it first reads, and checks the generation.

    Args:
        path: folder of the dataset.
        what: it is, for messages: "the store PATH".
        opener: opens it; for use within `lance_reads`.
        is_numbered: False: nobody keeps numbers of its rows, and it may be rewritten.
    """

    def __init__(self, path: Path, what: str, opener: Callable[[Path], Any], *, is_numbered: bool = True) -> None:
        self.path, self.what = path, what
        self._opener, self._is_numbered = opener, is_numbered
        self._dataset: Any = None
        self._generation: str | None = None
        self._rows = 0

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_dataset": None}

    @property
    def dataset(self) -> Any:
        """The dataset as it was when it was opened.

        Raises:
            StoreError: it cannot be opened, or was rewritten since it was first opened.
        """
        return self.reopen() if self._dataset is None else self._dataset

    @property
    def generation(self) -> str:
        """See `generation_of`."""
        _ = self.dataset
        return self._generation or UNNAMED

    @property
    def is_named(self) -> bool:
        """Whether the generation tells this dataset from all others."""
        return self.generation.partition("-")[0] != UNNAMED

    def keep(self, dataset: Any) -> None:
        """Go on with a version that this process has just written; None: open the newest when it is needed."""
        self._dataset = dataset

    def reopen(self) -> Any:
        """Open the newest version.

        Raises:
            RewrittenError: its rows have other numbers than when it was first opened.
            StoreError: it cannot be opened.
        """
        dataset = self._found()
        with lance_reads(self.what):
            generation, rows = generation_of(dataset), dataset.count_rows()
        is_known = self._is_numbered and self._generation is not None
        if is_known and (generation != self._generation or rows < self._rows or self._is_another(dataset)):
            raise RewrittenError(
                f"{self.what} was rewritten while it was read (people were removed from it, or it was made anew), and "
                "its rows have other numbers now: start again with what is there"
            )
        self._generation, self._rows, self._dataset = generation, rows, dataset
        return dataset

    def _found(self) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                with lance_reads(self.what):
                    return self._opener(self.path)
            except StoreError:
                if self._generation is None or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(WAIT_S)  # between two names, as `embed` renames a new one into its place
        raise AssertionError

    def _is_another(self, dataset: Any) -> bool:
        """Whether a dataset without a name was made anew: its versions count from one again."""
        before = self._dataset
        return before is not None and dataset.version <= before.version and _files(dataset) != _files(before)

    def _is_replaced(self, failed: Any) -> bool:
        now = self.reopen()
        return now.version != failed.version or _files(now) != _files(failed)

    def read(self, call: Callable[[Any], T]) -> T:
        """Read from the dataset: from the version that was opened, or where its files are gone, from the newest.

        Args:
            call: reads from an open dataset.

        Raises:
            RewrittenError: the files are gone, and the rows of the newest version have other numbers.
            StoreError: it is damaged.
        """
        for _ in range(ATTEMPTS):
            dataset = self.dataset
            try:
                with lance_reads(self.what):
                    return call(dataset)
            except StoreError:
                if not self._is_replaced(dataset):
                    raise
        with lance_reads(self.what):
            return call(self.dataset)

    def scan(self, start: Callable[..., Iterator[pa.RecordBatch]], *, offset: int = 0) -> Iterator[pa.RecordBatch]:
        """Read all rows in order, as `read` reads.

        Args:
            start: starts to read an open dataset; it takes `offset`, the rows to pass over, where there are any.
            offset: rows to pass over.
        """
        while True:
            dataset = self.dataset
            try:
                with lance_reads(self.what):
                    for batch in start(dataset, **({"offset": offset} if offset else {})):
                        offset += batch.num_rows
                        yield batch
                return
            except StoreError:
                if not self._is_replaced(dataset):
                    raise


def _files(dataset: Any) -> list[str]:
    return [file.path for fragment in dataset.get_fragments() for file in fragment.data_files()]
