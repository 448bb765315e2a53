"""Reads a dataset while other commands add to it, merge its files, remove people from it or rewrite it.

Adding rows and merging files keep the row numbers; removing people and rewriting change them. So each numbering of a
dataset's rows, a generation, has a name, which a removal changes. A reader continues with the files of another version
only if its generation is the same; otherwise it reports that the dataset was rewritten.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from fabnet.errors import RewrittenError, StoreError
from fabnet.files.lance import lance_reads

__all__ = ["GENERATION", "UNNAMED", "Reader", "generation_of", "new_generation", "renew_generation", "row_numbers"]

GENERATION = "fabnet.generation"
"""Metadata key of a dataset's generation. Datasets made by earlier versions of fabnet have none until a removal."""
UNNAMED = "0"
"""Generation of a dataset without that key."""
ATTEMPTS = 5
WAIT_S = 0.1
"""Wait before each retry to open a dataset that is being replaced."""

T = TypeVar("T")


def new_generation() -> dict[str, str]:
    """Metadata with a new, unique generation."""
    return {GENERATION: secrets.token_hex(8)}


def renew_generation(dataset: Any) -> None:
    """Give a dataset a new generation, in a commit of its own.

    The number of rows marked as deleted is part of a generation's name. So rows are deleted first, then the generation
    is renewed, and only then files are merged: a kill between these steps leaves no version with an earlier one's
    generation and other rows.

    Args:
        dataset: the open dataset; only the one writing process may call this.
    """
    dataset.update_schema_metadata(new_generation())


def generation_of(dataset: Any) -> str:
    """The generation of an open dataset."""
    name = (dataset.schema.metadata or {}).get(GENERATION.encode(), UNNAMED.encode()).decode(errors="replace")
    deleted = sum(fragment.num_deletions for fragment in dataset.get_fragments())
    return f"{name}-{deleted}" if deleted else name


def row_numbers(dataset: Any, addresses: Sequence[int]) -> list[int]:
    """Convert row addresses to row numbers, as `take` expects them; rows marked as deleted have no number."""
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
        fragment, index = divmod(address, 2**32)
        found.append(starts[fragment] + (int(np.searchsorted(left[fragment], address)) if fragment in left else index))
    return found


class Reader:
    """An open dataset that can be pickled: the other process opens it at its first read and checks the generation.

    Args:
        path: folder of the dataset.
        what: name of the dataset in messages: "the store PATH".
        opener: function that opens it; it is called within `lance_reads`.
        is_numbered: whether row numbers are kept between reads. If not, the dataset may be rewritten meanwhile.
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
            RewrittenError: it was rewritten since it was first opened.
            StoreError: it cannot be opened.
        """
        return self.reopen() if self._dataset is None else self._dataset

    @property
    def generation(self) -> str:
        """See `generation_of`."""
        _ = self.dataset
        return self._generation or UNNAMED

    @property
    def changed_at(self) -> datetime:
        """Local time of the last change of the dataset: of rows, files or an index."""
        when: datetime = self.read(lambda dataset: dataset.versions()[-1]["timestamp"])
        return when

    @property
    def is_named(self) -> bool:
        """Whether the generation identifies this dataset uniquely."""
        return self.generation.partition("-")[0] != UNNAMED

    def keep(self, dataset: Any) -> None:
        """Continue with a version that this process has just written; None: open the newest at the next read."""
        self._dataset = dataset

    def reopen(self) -> Any:
        """Open the newest version.

        Raises:
            RewrittenError: its row numbers changed since it was first opened.
            StoreError: it cannot be opened.
        """
        dataset = self._found()
        with lance_reads(self.what):
            generation, rows = generation_of(dataset), dataset.count_rows()
        is_known = self._is_numbered and self._generation is not None
        if is_known and (generation != self._generation or rows < self._rows or self._is_another(dataset)):
            raise RewrittenError(
                f"{self.what} was rewritten while it was read (people were removed, or it was made again), so its row "
                "numbers changed: run the command again"
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
                time.sleep(WAIT_S)  # `embed` may be between its two renames, when the dataset is missing
        raise AssertionError

    def _is_another(self, dataset: Any) -> bool:
        """Whether a dataset without a generation was made again: its versions then count from one."""
        before = self._dataset
        return before is not None and dataset.version <= before.version and _files(dataset) != _files(before)

    def _is_replaced(self, failed: Any) -> bool:
        now = self.reopen()
        return now.version != failed.version or _files(now) != _files(failed)

    def read(self, call: Callable[[Any], T]) -> T:
        """Read from the version that was opened or, if its files are gone, from the newest.

        Args:
            call: function that reads from an open dataset.

        Raises:
            RewrittenError: the files are gone, and the newest version has other row numbers.
            StoreError: the dataset is corrupt.
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
        """Read all rows in order, in the way of `read`.

        Args:
            start: function that starts to read an open dataset; it takes `offset` if there are rows to skip.
            offset: number of rows to skip.
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
