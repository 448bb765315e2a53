"""Hands batches to a writer that pulls them in threads of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TypeVar

import pyarrow as pa

__all__ = ["streamed"]

T = TypeVar("T")
LOOK_S = 0.1
"""Time after which it is checked whether the writer has ended early."""


class _StoppedError(Exception):
    """Raised in the writer when the batches ended with an error."""


def streamed(batches: Iterable[pa.RecordBatch], schema: pa.Schema, write: Callable[[pa.RecordBatchReader], T]) -> T:
    """Make batches in this thread while a writer writes them in another.

    Lance pulls batches in a thread of its own. If that thread made them, it would go on after an interrupt, and abort
    the process when Python ends. Here an interrupt is raised where batches are made, and the writer ends first.

    Args:
        batches: the rows.
        schema: their schema.
        write: writes all batches of a reader.

    Returns:
        What `write` returns. Exceptions of both are raised here.
    """
    waiting: Queue[pa.RecordBatch | BaseException | None] = Queue(1)

    def handed() -> Iterator[pa.RecordBatch]:
        while (batch := waiting.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch

    with ThreadPoolExecutor(1, thread_name_prefix="fabnet") as pool:
        writing = pool.submit(write, pa.RecordBatchReader.from_batches(schema, handed()))

        def hand_over(batch: pa.RecordBatch | BaseException | None) -> None:
            while not writing.done():
                try:
                    waiting.put(batch, timeout=LOOK_S)
                    return
                except Full:
                    continue

        try:
            for batch in batches:
                hand_over(batch)
                if writing.done():
                    break
            hand_over(None)
        except BaseException:
            with suppress(Empty):
                waiting.get_nowait()
            hand_over(_StoppedError("the rows ended early"))
            raise
        return writing.result()
