"""Corrupt data files at which Lance aborts the process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.errors import StoreError
from fabnet.files.lance_checks import check_data_files
from fabnet.store.track_store import open_store

BEFORE_THE_END = 13
"""Offset of the highest byte of the number of global buffers."""
LIMITED = ["sh", "-c", 'ulimit -v 6000000; exec "$0" "$@"', sys.executable]
"""Python with 6 GB of address space, so that machines with more memory behave alike."""


def damage(folder: Path) -> None:
    for file in (folder / "data").glob("*.lance"):
        data = bytearray(file.read_bytes())
        data[-BEFORE_THE_END] = 0x76
        file.write_bytes(data)


def refused_where_lance_aborts(reads: str, *command: object) -> str:
    """The line that a command prints about a file, after checking that the file makes Lance abort."""
    ended = []
    for each in (["-c", f"import lance; {reads}"], ["-m", "fabnet", *map(str, command)]):
        process = subprocess.run([*LIMITED, *each], capture_output=True, text=True, timeout=120)
        ended.append((process.returncode, process.stderr))
    assert ended[0][0] < 0, "Lance takes it now: this look has become superfluous"
    code, line = ended[1]
    assert code == 5, line
    assert len(line.splitlines()) == 1
    return line


def test_a_footer_that_counts_too_many_buffers(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    damage(own / "_ledger.lance")
    line = refused_where_lance_aborts(f"lance.dataset({str(own / '_ledger.lance')!r}).to_table()", "info", own)
    assert line.startswith(f"fabnet info: the ledger of {own} cannot be read (")
    assert "1,979,711,489 buffers" in line


def test_an_encoding_with_a_null_byte_in_its_name(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    for file in (own / "data").glob("*.lance"):
        data = file.read_bytes()
        assert b"/lance.encodings21.PageLayout" in data
        file.write_bytes(data.replace(b"/lance.encodings21.PageLayout", b"/lance.encodings21.Page\0ayout"))
    line = refused_where_lance_aborts(f"lance.dataset({str(own)!r}).to_table()", "info", own)
    assert "has an encoding whose name contains a null byte" in line


def test_a_picture_that_ends_before_it_begins(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    (file,) = (own / "data").glob("*.lance")
    images = open_store(own).read_images(np.arange(open_store(own).num_rows))
    begins = np.cumsum([0, *(4 + len(image) for image in images)]).astype("<u4").tobytes()
    data = file.read_bytes()
    assert data.count(begins) == 1, "the file is laid out in another way now"
    wrong = np.frombuffer(begins, "<u4").copy()
    wrong[1] = wrong[-1]
    file.write_bytes(data.replace(begins, wrong.tobytes()))
    reads = f"lance.dataset({str(own)!r}).take([1, 2], columns=['image'])"
    line = refused_where_lance_aborts(reads, "info", own)
    assert "lists values that end before they begin" in line
    check_data_files(own, lance.dataset(str(own)), lists_bytes=len(begins) - 1)
    with pytest.raises(OSError, match="end before they begin"):
        check_data_files(own, lance.dataset(str(own)), lists_bytes=len(begins))


def test_a_ledger_of_something_else(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    shutil.rmtree(own / "_ledger.lance")
    lance.write_dataset(pa.table({"video": ["a"], "dropped": [None]}), str(own / "_ledger.lance"))
    with pytest.raises(StoreError, match=r"the ledger of .* is corrupt: its rows are not ledger entries"):
        open_store(own).ledger()


def test_rows_embeddings_and_tracks(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    index = open_store(own).index()
    damage(own / "_tracks.lance")  # counts as missing, so the rows are read
    assert open_store(own).index().video.tolist() == index.video.tolist()
    fabnet.embed([own], tmp_path / "faces.lance", model=tiny_run)
    for folder, call in ((own, open_store), (tmp_path / "faces.lance", fabnet.verify)):
        damage(folder)
        with pytest.raises(StoreError, match="buffers of its footer"):
            call(folder)


def test_a_truncated_file(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    fabnet.compact(own)  # leaves no former version
    (file,) = (own / "data").glob("*.lance")
    whole = file.read_bytes()
    for length in (len(whole) - 1, 20):
        file.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=f"{file.name} is truncated: it has {length:,} of {len(whole):,} bytes"):
            open_store(own)
