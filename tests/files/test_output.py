"""Outputs appear whole or not at all, and replace only their own kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabnet.errors import InputError, OutputError
from fabnet.files.output import written_whole


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A folder that is to be replaced."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    return tmp_path / "out"


def write(path: Path) -> None:
    with written_whole(path) as partial:
        partial.mkdir()
        (partial / "new").write_text("new")


def test_a_folder_replaces_a_folder(former: Path) -> None:
    write(former)
    assert [entry.name for entry in former.iterdir()] == ["new"]
    assert os.listdir(former.parent) == ["out"]


def test_a_file_does_not_replace_a_folder(former: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder: choose another name"), written_whole(former) as partial:
        partial.write_text("new")
    assert (former / "old").read_text() == "old"
    assert os.listdir(former.parent) == ["out"]


def test_an_interrupt_between_renames_keeps_the_former_output(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(former)
    assert (former / "old").read_text() == "old"
    assert os.listdir(former.parent) == ["out"]


def test_a_kill_between_renames_keeps_the_former_output(former: Path) -> None:
    dead = 2**22 + 1  # above the highest process id on Linux
    former.rename(former.with_name(f".out.{dead}.replaced"))
    former.with_name(f".out.{dead}.partial").mkdir()
    with pytest.raises(InputError, match="fails early"), written_whole(former):
        raise InputError("the next run fails early")
    assert (former / "old").read_text() == "old"
    assert os.listdir(former.parent) == ["out"]


def test_a_read_only_file_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("old")
    kept.chmod(0o444)
    with pytest.raises(OutputError, match=r"kept\.csv is read-only"), written_whole(kept) as partial:
        partial.write_text("new")
    assert kept.read_text() == "old"
    assert os.listdir(tmp_path) == ["kept.csv"]
    kept.chmod(0o644)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="part of the path is a file"), written_whole(tmp_path / "file" / "x.csv"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="no named pipes in folders")
def test_special_files_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    before = {entry: entry.lstat() for entry in tmp_path.iterdir()}
    for entry in before:
        with pytest.raises(OutputError, match="never replaces"), written_whole(entry) as partial:
            partial.write_text("new")
    assert {entry: entry.lstat() for entry in tmp_path.iterdir()} == before
