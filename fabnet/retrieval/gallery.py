"""An embeddings dataset for searching: its metadata, rows by id, and the nearest faces to a vector.

Letters: D features.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError, RewrittenError, StoreError, first_line
from fabnet.files.lance import changing, has_dataset, lance_reads, lance_writes, open_dataset
from fabnet.files.lance_manifests import state_of
from fabnet.files.lance_reading import Reader, row_numbers
from fabnet.files.places import as_place, is_remote
from fabnet.retrieval.columns import KNOWN, NEEDED, Columns, in_names_of
from fabnet.retrieval.filters import all_of, quoted
from fabnet.runtime.progress import progress

__all__ = ["LARGE_ROWS", "Gallery", "Neighbour"]

Neighbour = dict[str, Any]
"""Columns of a row without embedding and thumbnail, and `similarity`, the cosine, -1 to 1."""
LARGE_ROWS = 1_000_000
"""Number of rows beyond which the index is used by default."""
SUB_VECTOR = 4
"""Numbers that one byte of a compressed vector encodes."""
ROWS_A_PARTITION = 1024
CENTRES = 256
"""Centres that a byte of a compressed vector can name, and the minimum number of rows to train them."""
SAMPLE_RATE = 64
"""Training rows per centre: Lance's default, 256, takes four times as long."""
PROBED = 20
"""Minimum number of partitions searched; more if a filter leaves too few rows in them."""
REFINED = 5
"""Candidates per neighbour whose cosine is computed exactly."""
STREAMED = {"batch_size": 4096, "batch_readahead": 2, "fragment_readahead": 1, "io_buffer_size": 2**25}
"""Settings for reading rows, because Lance's defaults buffer up to 2 GiB of them."""
UNSHOWN = ("embedding", "thumbnail")


class Gallery:
    """An embeddings dataset, open for searching. Memory does not grow with its size.

    Args:
        path: folder of a Lance dataset of `fabnet embed`.

    Raises:
        StoreError: the dataset does not exist, or is not an embeddings dataset.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_place(path)
        self.state = state_of(self.path)
        """State of the dataset before it was opened, which changes whenever the dataset does."""
        self._reader = Reader(self.path, f"the embeddings dataset {self.path}", _opened)
        schema = self._dataset.schema
        self._columns = Columns(self.path, schema)
        self._metadata = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in (schema.metadata or {}).items()
        }

    @property
    def _dataset(self) -> Any:
        return self._reader.dataset

    @property
    def full_path(self) -> Path:
        """Folder with its real name even if `path` is `.`, because files beside the dataset are named after it."""
        return self.path if is_remote(self.path) else self.path.resolve()

    @property
    def model(self) -> str | None:
        """Name or path of the model that made the embeddings; None if the dataset does not say."""
        return self._metadata.get("fabnet.model")

    @property
    def model_digest(self) -> str | None:
        """Digest (`fabnet.encoders.digest`) of the model; None if the dataset does not say."""
        return self._metadata.get("fabnet.model_digest")

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self._dataset.schema.field("embedding").type.list_size)

    @property
    def num_rows(self) -> int:
        """Number of rows, including those without a face."""
        return int(self._reader.read(lambda dataset: dataset.count_rows()))

    @property
    def columns(self) -> list[str]:
        """Names of the columns that filters can use and neighbours show."""
        return [name for name in self._columns.usable() if name not in UNSHOWN]

    @property
    def fields(self) -> list[pa.Field]:
        """All columns that can be used, with their types."""
        return [self._dataset.schema.field(name) for name in self._columns.usable()]

    @property
    def has_thumbnails(self) -> bool:
        """Whether the dataset has small pictures of the faces."""
        return "thumbnail" in self._columns.usable()

    @property
    def notes(self) -> list[str]:
        """Notes on columns that cannot be used or shown or have old names, at most three lines."""
        return self._columns.notes()

    def check(self, *names: str) -> None:
        """Check that the columns for searching, and those in `names`, can be used.

        Raises:
            StoreError: a column is missing or has another type.
        """
        self._columns.check((*NEEDED, *names))

    @property
    def has_index(self) -> bool:
        """Whether the dataset has an index of the embeddings."""
        return self.index is not None

    @property
    def about(self) -> dict[str, str]:
        """Metadata of the dataset."""
        return dict(self._metadata)

    @property
    def index(self) -> dict[str, Any] | None:
        """The index of the embeddings: its type, and how many rows it covers; None if there is none."""
        found = [each for each in self._reader.read(lambda dataset: dataset.describe_indices())
                 if "embedding" in each.field_names]  # fmt: skip
        return {"type": found[0].index_type, "rows": int(found[0].num_rows_indexed)} if found else None

    @property
    def changed_at(self) -> datetime:
        """See `Reader.changed_at`."""
        return self._reader.changed_at

    @property
    def is_large_enough(self) -> bool:
        """Whether there are enough embeddings for an index."""
        return self._num_embeddings() >= CENTRES

    def _num_embeddings(self) -> int:
        return int(self._reader.read(lambda dataset: dataset.count_rows(filter="embedding IS NOT NULL")))

    def drop_index(self) -> None:
        """Remove all indices. Only the process that holds the write lock may call this."""
        with self._reading(), changing(self.path) as change:
            for each in change.dataset.describe_indices():
                change.dataset.drop_index(each.name)
        self._reader.keep(None)

    def rows(self, ids: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read rows by their ids, in the given order.

        Raises:
            InputError: an id does not exist, or several rows have it.
        """
        wanted = ", ".join(quoted(each) for each in dict.fromkeys(ids))
        found: dict[str, list[dict[str, Any]]] = {}
        condition = f"id IN ({wanted})"
        rows = self._reader.read(
            lambda dataset: dataset.to_table(columns=["id", *columns], filter=condition)
        ).to_pylist()
        for row in rows:
            found.setdefault(row["id"], []).append(row)
        for each in ids:
            if each not in found:
                raise InputError(
                    f"{self.path} has no row {each!r}, and there is no photo of that name; ids are {self._example()}"
                )
            if len(found[each]) > 1:
                raise InputError(f"{len(found[each])} rows of {self.path} have the id {each!r}; give the photo itself")
        return [found[each][0] for each in ids]

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read columns of all rows, in order, in batches; columns that cannot be used are null."""
        there = [name for name in columns if name not in self._columns.unusable]

        def start(dataset: Any, **index: int) -> Iterator[pa.RecordBatch]:
            scanner = dataset.scanner(columns=there, scan_in_order=True, **STREAMED, **index)
            batches: Iterator[pa.RecordBatch] = scanner.to_batches()
            return batches

        for batch in self._reader.scan(start):
            yield self._with_all(batch, columns)

    def take(self, numbers: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read rows by their numbers, 0 to `num_rows` - 1, in the given order; columns as in `scan`."""
        there = [name for name in columns if name not in self._columns.unusable]
        if not len(numbers) or not there:
            return [dict.fromkeys(columns) for _ in numbers]
        found = self._reader.read(lambda dataset: dataset.take(list(numbers), columns=there)).to_pylist()
        return [dict.fromkeys(columns) | row for row in found]

    def _with_all(self, batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
        nothing = pa.nulls(batch.num_rows)
        return pa.RecordBatch.from_arrays(
            [batch[name] if name in batch.schema.names else nothing for name in columns], names=list(columns)
        )

    def _example(self) -> str:
        first = self._reader.read(lambda dataset: dataset.to_table(columns=["id"], limit=1)).to_pylist()
        return f"VIDEO/TRACK/FRAME, e.g. {first[0]['id']!r}" if first else "VIDEO/TRACK/FRAME"

    def _reading(self) -> AbstractContextManager[None]:
        return lance_reads(self._reader.what)

    def is_current(self) -> bool:
        """Whether the dataset still has the same rows, under the same numbers, as when it was opened.

        Raises:
            StoreError: the dataset no longer exists, or cannot be opened.
        """
        state = state_of(self.path)
        if state == self.state:
            return True
        rows = self.num_rows
        try:
            if not self._reader.is_named or self._reader.reopen().count_rows() != rows:
                return False
        except RewrittenError:
            return False
        self.state = state  # only files were merged, or an index was built
        return True

    def in_own_names(self, where: str) -> str:
        """A condition with the dataset's own names of attributes; see `in_names_of`."""
        return in_names_of(self.columns, where)

    def check_filter(self, where: str) -> None:
        """Raise an InputError if a condition does not fit this dataset."""
        try:
            self._dataset.scanner(columns=["id"], filter=all_of(where), limit=1).explain_plan()
        except (ValueError, OSError) as error:
            text = _said(error)
            if "No field named" in text:
                text = f"no column {text.split('No field named ')[1].split('. ')[0]}"
            raise InputError(
                f"the filter {where!r} cannot be used: {text}; columns: {', '.join(self.columns)}"
            ) from None

    @contextmanager
    def _filtering(self, where: str | None) -> Iterator[None]:
        """Report a condition that fails on a row as an InputError, not as a corrupt dataset."""
        try:
            yield
        except StoreError as error:
            said = _said(error.__cause__ or error)
            if "applying filter expression" not in said:
                raise
            raise InputError(
                f"the filter {where!r} failed: {said.rpartition('Arrow error: ')[2]}; change it so that it "
                "works on every row"
            ) from None

    def nearest(
        self,
        vector: np.ndarray,
        k: int,
        *,
        where: str | None = None,
        use_index: bool = False,
        thumbnails: bool = False,
        numbers: bool = False,
    ) -> list[Neighbour]:
        """Find the rows most similar to a vector, the most similar first.

        Args:
            vector: (D,) float, of any norm.
            k: number of rows, 1 or more; the result is shorter if fewer rows pass the filter.
            where: a condition on the columns, in SQL, see `check_filter`.
            use_index: search the nearest partitions of the index, and compute the exact cosine of the best candidates;
                otherwise stream all rows.
            thumbnails: also return each row's `thumbnail`, JPEG bytes.
            numbers: also return each row's `row`, its number for `take`.

        Raises:
            InputError: the condition fails on a row, such as a division by a column that is 0.
        """
        query = {
            "column": "embedding", "q": np.asarray(vector, np.float32), "k": min(k, max(1, self.num_rows)),
            "metric": "cosine", "use_index": use_index,
        }  # fmt: skip
        if use_index:
            query |= {"minimum_nprobes": PROBED, "refine_factor": REFINED}

        def look(dataset: Any) -> list[dict[str, Any]]:
            rows = dataset.scanner(
                columns=[*self.columns, *(["thumbnail"] if thumbnails else []), "_distance"],
                nearest=query, filter=where, prefilter=True, with_row_address=numbers, **STREAMED,
            ).to_table().to_pylist()  # fmt: skip
            if numbers:
                indices = row_numbers(dataset, [row.pop("_rowaddr") for row in rows])
                rows = [row | {"row": index} for row, index in zip(rows, indices, strict=True)]
            return list(rows)

        with self._filtering(where):
            found = self._reader.read(look)
        for row in found:
            row |= dict.fromkeys(name for name in KNOWN if name not in row and name not in UNSHOWN)
            row["similarity"] = 1 - row.pop("_distance")
        directed = [row for row in found if math.isfinite(row["similarity"])]  # not for embeddings of zeros or NaN
        return sorted(directed, key=lambda row: -float(row["similarity"]))

    def build_index(self) -> float:
        """Build the IVF-PQ index for the cosine, and an index of the identities, which speeds up their filter.

        Both are stored in the dataset; rows added later are searched exactly. Only the process that holds the write
        lock may call this.

        Returns:
            Time taken in seconds.

        Raises:
            InputError: the dataset is too small for an index.
            OutputError: the index cannot be written.
        """
        count = self._num_embeddings()
        if count < CENTRES:
            raise InputError(
                f"{self.path} has {count} embeddings; an index needs {CENTRES} or more: search without one"
            )
        began = time.monotonic()
        sub_vectors = next(
            n for n in range(max(1, self.embedding_dim // SUB_VECTOR), 0, -1) if self.embedding_dim % n == 0
        )
        with progress("building the index", unit="steps") as bar, self._indexing() as dataset:
            dataset.create_index(
                "embedding", "IVF_PQ", metric="cosine", replace=True, sample_rate=SAMPLE_RATE,
                num_partitions=max(1, round(count / ROWS_A_PARTITION)), num_sub_vectors=sub_vectors,
                progress_callback=lambda done: bar.update(
                    completed=done.completed or 0, total=done.total, note=done.stage.replace("_", " ")
                ),
            )  # fmt: skip
            dataset.create_scalar_index("identity", "BITMAP", replace=True)
        self._reader.keep(None)
        return time.monotonic() - began

    @contextmanager
    def _indexing(self) -> Iterator[Any]:
        with self._reading(), lance_writes(self.path), changing(self.path) as change:
            yield change.dataset


def _opened(path: Path) -> Any:
    if not path.exists():
        raise StoreError(f"there is no embeddings dataset at {path}: make one with fabnet embed ... --out {path}")
    if not has_dataset(path):
        raise StoreError(f"{path} is not a Lance dataset: fabnet embed ... --out NAME.lance makes one to search")
    return open_dataset(path)


def _said(error: BaseException) -> str:
    """The message of a Lance error, without its source location."""
    return first_line(error).split(", /")[0].removeprefix("Invalid user input: ").rstrip(".")
