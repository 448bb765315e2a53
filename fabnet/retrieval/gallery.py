"""An embeddings dataset to search in: what it says of itself, rows by id, the nearest faces of a vector.

Letters: D features.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError, RewrittenError, StoreError, first_line
from fabnet.files.lance import changing, has_dataset, lance_reads, lance_writes, open_dataset
from fabnet.files.lance_manifests import state_of
from fabnet.files.lance_reading import Reader, row_numbers
from fabnet.files.places import as_place, is_remote
from fabnet.retrieval.columns import KNOWN, NEEDED, Columns
from fabnet.retrieval.filters import all_of, quoted
from fabnet.runtime.progress import progress

__all__ = ["LARGE_ROWS", "Gallery", "Neighbour"]

Neighbour = dict[str, Any]
"""Columns of a row but its embedding and thumbnail, and `similarity`, the cosine, -1 to 1."""
LARGE_ROWS = 1_000_000
"""From here on the index is used unless exact search is asked for."""
SUB_VECTOR = 4
"""Numbers that one byte of a compressed vector stands for."""
ROWS_A_PARTITION = 1024
CENTRES = 256
"""What a byte of a compressed vector can stand for; fewer rows cannot train them."""
SAMPLE_RATE = 64
"""Rows a centre that the centres are trained on: the library's 256 takes four times as long."""
PROBED = 20
"""Partitions that are looked into at the least: more where a filter leaves too few rows in them."""
REFINED = 5
"""Times k candidates whose cosine is computed exactly in the end."""
STREAMED = {"batch_size": 4096, "batch_readahead": 2, "fragment_readahead": 1, "io_buffer_size": 2**25}
"""How rows are read: by default up to 2 GiB of them would wait in memory."""
UNSHOWN = ("embedding", "thumbnail")


class Gallery:
    """An embeddings dataset, open for searching. Memory does not grow with its size.

    Args:
        path: folder of a Lance dataset that `fabnet embed` wrote.

    Raises:
        StoreError: there is none, or it is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_place(path)
        self.state = state_of(self.path)
        """Changes whenever the dataset does; of before it was opened."""
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
        """The folder, with its name even where `path` is `.`: what belongs to the dataset lies beside it, so called."""
        return self.path if is_remote(self.path) else self.path.resolve()

    @property
    def model(self) -> str | None:
        """The model that made the embeddings, by name or path; None where it was not said."""
        return self._metadata.get("fabnet.model")

    @property
    def model_digest(self) -> str | None:
        """Its digest (`fabnet.encoders.digest`), likewise."""
        return self._metadata.get("fabnet.model_digest")

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self._dataset.schema.field("embedding").type.list_size)

    @property
    def num_rows(self) -> int:
        """Rows, those without a face included."""
        return int(self._reader.read(lambda dataset: dataset.count_rows()))

    @property
    def columns(self) -> list[str]:
        """What a filter can ask of a row, and a neighbour shows."""
        return [name for name in self._columns.usable() if name not in UNSHOWN]

    @property
    def fields(self) -> list[pa.Field]:
        """All columns that can be used, with their types."""
        return [self._dataset.schema.field(name) for name in self._columns.usable()]

    @property
    def has_thumbnails(self) -> bool:
        """Whether its rows carry small pictures."""
        return "thumbnail" in self._columns.usable()

    @property
    def notes(self) -> list[str]:
        """What of the dataset cannot be used or shown, in a line or two."""
        return self._columns.notes()

    def check(self, *names: str) -> None:
        """Refuse a dataset whose rows cannot be searched, or in which further columns cannot be used.

        Raises:
            StoreError: one of its columns is missing or holds something else.
        """
        self._columns.check((*NEEDED, *names))

    @property
    def has_index(self) -> bool:
        """Whether `build_index` was called."""
        indices = self._reader.read(lambda dataset: dataset.describe_indices())
        return any("embedding" in each.field_names for each in indices)

    @property
    def is_large_enough(self) -> bool:
        """Whether there are embeddings enough for an index."""
        return self._num_embeddings() >= CENTRES

    def _num_embeddings(self) -> int:
        return int(self._reader.read(lambda dataset: dataset.count_rows(filter="embedding IS NOT NULL")))

    def drop_index(self) -> None:
        """Remove the indices, of the embeddings and of other columns. Only for the one process that writes."""
        with self._reading(), changing(self.path) as change:
            for each in change.dataset.describe_indices():
                change.dataset.drop_index(each.name)
        self._reader.keep(None)

    def rows(self, ids: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read rows by their ids, in the order asked for.

        Raises:
            InputError: an id is not there, or names several rows.
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
                    f"{self.path} has no row {each!r}, and no photo is called so; ids are {self._example()}"
                )
            if len(found[each]) > 1:
                raise InputError(f"{len(found[each])} rows of {self.path} have the id {each!r}; give the photo itself")
        return [found[each][0] for each in ids]

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read columns of all rows, in order, a batch at a time; those that cannot be used are null."""
        there = [name for name in columns if name not in self._columns.unusable]

        def start(dataset: Any, **place: int) -> Iterator[pa.RecordBatch]:
            scanner = dataset.scanner(columns=there, scan_in_order=True, **STREAMED, **place)
            batches: Iterator[pa.RecordBatch] = scanner.to_batches()
            return batches

        for batch in self._reader.scan(start):
            yield self._with_all(batch, columns)

    def take(self, numbers: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read rows by their numbers, 0 to `num_rows` - 1, in the order asked for; columns as `scan` gives them."""
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
        return f"VIDEO/TRACK/FRAME, as {first[0]['id']!r}" if first else "VIDEO/TRACK/FRAME"

    def _reading(self) -> AbstractContextManager[None]:
        return lance_reads(self._reader.what)

    def is_current(self) -> bool:
        """Whether the rows still have the numbers that they had when it was opened, and there are no others.

        Raises:
            StoreError: the dataset is not there any more, or cannot be opened.
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
        self.state = state  # files were merged, or an index was built
        return True

    def check_filter(self, where: str) -> None:
        """Raise an InputError where a condition cannot be asked of this dataset."""
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
        """Tell a condition that fails at a row from a dataset that is damaged."""
        try:
            yield
        except StoreError as error:
            said = _said(error.__cause__ or error)
            if "applying filter expression" not in said:
                raise
            raise InputError(
                f"the filter {where!r} failed: {said.rpartition('Arrow error: ')[2]}; change it so that every row can "
                "answer it"
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
        """The rows most similar to a vector, the most similar first.

        Args:
            vector: (D,) float, of any length.
            k: how many, 1 or more; fewer come where fewer rows pass the filter.
            where: a condition on the columns, in SQL, as `check_filter` takes it.
            use_index: look into the partitions of the index that are nearest, and compute the cosine exactly of the
                best candidates; else stream through all rows.
            thumbnails: give the rows' `thumbnail`, JPEG bytes, too.
            numbers: give the rows' `row`, their number as `take` takes it, too.

        Raises:
            InputError: the condition cannot be asked of every row, as where it divides by a column that is 0.
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
                places = row_numbers(dataset, [row.pop("_rowaddr") for row in rows])
                rows = [row | {"row": place} for row, place in zip(rows, places, strict=True)]
            return list(rows)

        with self._filtering(where):
            found = self._reader.read(look)
        for row in found:
            row |= dict.fromkeys(name for name in KNOWN if name not in row and name not in UNSHOWN)
            row["similarity"] = 1 - row.pop("_distance")
        directed = [row for row in found if math.isfinite(row["similarity"])]  # embeddings of zeros or NaN have none
        return sorted(directed, key=lambda row: -float(row["similarity"]))

    def build_index(self) -> float:
        """Build the IVF-PQ index by the cosine, and one on the identities that makes their filter quick.

        It stays in the dataset; rows that are added later are searched exactly. Only for the one process that writes.

        Returns:
            The seconds that it took.

        Raises:
            InputError: the dataset is too small for an index.
            OutputError: writing there is not possible.
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
        raise StoreError(f"{path} is no Lance dataset: fabnet embed ... --out NAME.lance makes one to search in")
    return open_dataset(path)


def _said(error: BaseException) -> str:
    """What a Lance error says, without where in its source."""
    return first_line(error).split(", /")[0].removeprefix("Invalid user input: ").rstrip(".")
