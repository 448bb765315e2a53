"""Batches that a writer pulls in a thread of its own are made in the caller's."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from fabnet.files.lance import open_dataset, write_rows
from fabnet.files.lance_stream import streamed

SCHEMA = pa.schema([("a", pa.int64())])


def batches(count: int, *, error: BaseException | None = None) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        yield pa.record_batch([pa.array([number])], schema=SCHEMA)
    if error is not None:
        raise error


def test_rows_are_made_in_the_callers_thread(tmp_path: Path) -> None:
    threads = set()

    def seen() -> Iterator[pa.RecordBatch]:
        for batch in batches(5):
            threads.add(threading.current_thread())
            yield batch

    write_rows(tmp_path / "d.lance", seen(), SCHEMA)
    assert open_dataset(tmp_path / "d.lance").to_table()["a"].to_pylist() == [0, 1, 2, 3, 4]
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("error", [ValueError("row 3"), KeyboardInterrupt("stop")], ids=["error", "interrupt"])
def test_an_error_of_the_rows_is_raised_as_it_is_and_the_writer_ends(error: BaseException) -> None:
    ended = threading.Event()

    def write(reader: pa.RecordBatchReader) -> int:
        try:
            return sum(batch.num_rows for batch in reader)
        finally:
            ended.set()

    with pytest.raises(type(error), match=str(error)):
        streamed(batches(3, error=error), SCHEMA, write)
    assert ended.is_set()


def test_an_error_of_the_writer_ends_the_rows() -> None:
    def write(reader: pa.RecordBatchReader) -> None:
        reader.read_next_batch()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        streamed(batches(10**6), SCHEMA, write)


def test_an_interrupt_while_rows_are_written_does_not_abort_the_process(tmp_path: Path) -> None:
    script = """
import os, signal, sys, threading, time
from pathlib import Path
import pyarrow as pa
from fabnet.files.lance import write_rows

schema = pa.schema([("a", pa.int64())])

def rows():
    for number in range(100):
        if number == 3:
            threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
        time.sleep(0.3)
        yield pa.record_batch([pa.array([number])], schema=schema)

try:
    write_rows(Path(sys.argv[1]), rows(), schema)
except KeyboardInterrupt:
    sys.exit(130)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "d.lance")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
