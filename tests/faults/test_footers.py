"""Data files whose footer would have Lance ask for 30 GB, and abort."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fabnet
from fabnet.errors import StoreError
from fabnet.tracks import open_store

BEFORE_THE_END = 13
"""Where the highest byte of the number of global buffers lies."""
LIMITED = ["sh", "-c", 'ulimit -v 16000000; exec "$0" "$@"', sys.executable]
"""Python with 16 GB of addresses: a machine that has 30 GB must refuse them, too."""


def damage(folder: Path) -> None:
    for file in (folder / "data").glob("*.lance"):
        data = bytearray(file.read_bytes())
        data[-BEFORE_THE_END] = 0x76
        file.write_bytes(data)


def test_lance_itself_aborts_and_a_command_does_not(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    damage(own / "_ledger.lance")
    ended = []
    for command in (
        ["-c", f"import lance; lance.dataset({str(own / '_ledger.lance')!r}).to_table()"],
        ["-m", "fabnet", "info", str(own)],
    ):
        process = subprocess.run([*LIMITED, *command], capture_output=True, text=True)
        ended.append((process.returncode, process.stderr))
    assert ended[0][0] < 0, "Lance takes it now: check_footers has become superfluous"
    code, line = ended[1]
    assert code == 5, line
    assert line.startswith(f"fabnet info: the ledger of {own} cannot be read (")
    assert "1,979,711,489 buffers by its footer" in line
    assert len(line.splitlines()) == 1


def test_rows_embeddings_and_tracks(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    index = open_store(own).index()
    damage(own / "_tracks.lance")  # counts as none: the rows are read
    assert open_store(own).index().video.tolist() == index.video.tolist()
    fabnet.embed([own], tmp_path / "faces.lance", model=tiny_run)
    for folder, call in ((own, open_store), (tmp_path / "faces.lance", fabnet.verify)):
        damage(folder)
        with pytest.raises(StoreError, match="by its footer, and no room"):
            call(folder)


def test_a_file_that_is_cut_short(store: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own.lance"))
    (file,) = (own / "data").glob("*.lance")
    whole = file.read_bytes()
    for length, said in ((len(whole) - 1, "does not end as a Lance file does"), (20, "is cut short")):
        file.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=said):
            open_store(own)
