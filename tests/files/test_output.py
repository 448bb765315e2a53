"""Outputs appear whole or not at all, and replace only their own kind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fabnet.errors import InputError, OutputError
from fabnet.files.lance import has_dataset
from fabnet.files.locks import BusyError
from fabnet.files.output import written_whole
from fabnet.files.places import make_folder


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


@pytest.mark.skipif(os.name == "nt", reason="no modes")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_others_may_read_what_the_umask_leaves_them(tmp_path: Path, umask: int, mode: int) -> None:
    """safetensors makes files that only their owner can read: a colleague, or a container, could not load a model."""
    former = os.umask(umask)
    try:
        with written_whole(tmp_path / "model") as partial:
            partial.mkdir()
            save_file({"x": np.zeros(3)}, partial / "model.safetensors")
            (partial / "config.json").write_text("{}")
        with written_whole(tmp_path / "probe.safetensors") as partial:
            save_file({"x": np.zeros(3)}, partial)
    finally:
        os.umask(former)
    files = [tmp_path / "probe.safetensors", *(tmp_path / "model").iterdir()]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [mode] * 3


def test_what_a_kill_leaves_beside_a_private_file_is_swept(tmp_path: Path) -> None:
    for number in (os.getpid(), 2**22 + 1):
        (tmp_path / f".probe.safetensors.{number}.mode").touch()
    with written_whole(tmp_path / "probe.safetensors") as partial:
        save_file({"x": np.zeros(3)}, partial)
    assert os.listdir(tmp_path) == ["probe.safetensors"]


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


def write_text(path: Path, text: str, *, is_internal: bool = False) -> None:
    with written_whole(path, is_internal=is_internal) as partial:
        partial.write_text(text)


def test_a_symlink_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    out, target = tmp_path / "here" / "out.csv", tmp_path / "there" / "kept.csv"
    out.symlink_to("../here/second")
    out.with_name("second").symlink_to("../there/kept.csv")
    for text in ("made", "replaced"):  # the link is dangling at first
        with written_whole(out) as partial:
            assert partial.parent.samefile(target.parent)  # so that the rename is atomic
            partial.write_text(text)
        assert (os.readlink(out), os.readlink(out.with_name("second"))) == ("../here/second", "../there/kept.csv")
        assert target.read_text() == text
    assert sorted(os.listdir(out.parent)) == ["out.csv", "second"]
    assert os.listdir(target.parent) == ["kept.csv"]
    with pytest.raises(ZeroDivisionError), written_whole(out) as partial:
        partial.write_text(f"{1 / 0}")
    assert target.read_text() == "replaced"
    assert os.listdir(target.parent) == ["kept.csv"]


def test_two_symlinks_to_one_file_share_its_lock(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).symlink_to("target")
    with written_whole(tmp_path / "a") as partial:
        partial.write_text("a")
        with pytest.raises(BusyError, match="another command is writing"), written_whole(tmp_path / "b"):
            raise AssertionError


def test_a_symlink_to_a_folder_is_kept(former: Path) -> None:
    link = former.with_name("link")
    link.symlink_to("out")
    write(link)
    with pytest.raises(OutputError, match="out: it is a folder"):
        write_text(link, "new")
    assert os.readlink(link) == "out"
    assert os.listdir(former) == ["new"]
    for name, up in (("up", "inner/.."), ("here", ".")):
        (former / name).symlink_to(up)
        with pytest.raises(OutputError, match=r"it is a folder|does not exist"):
            write_text(former / name, "new")
    assert sorted(os.listdir(former)) == ["here", "new", "up"]


def test_symlinks_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    loop, gone = tmp_path / "loop", tmp_path / "gone.csv"
    loop.symlink_to("other")
    (tmp_path / "other").symlink_to("loop")
    gone.symlink_to("unmounted/gone.csv")
    with pytest.raises(OutputError, match="loop is a symlink that leads to itself"):
        write_text(loop, "new")
    with pytest.raises(
        OutputError, match=r"gone\.csv is a symlink to .*unmounted/gone.csv, whose folder does not exist"
    ):
        write_text(gone, "new")
    for link in (loop, gone):
        with pytest.raises(OutputError, match=r"is a symlink to .*, which does not exist"):
            make_folder(link)
        assert not has_dataset(link)
    assert sorted(os.listdir(tmp_path)) == ["gone.csv", "loop", "other"]


def test_a_symlink_among_files_of_fabnets_own_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    (tmp_path / "state.json").symlink_to("letter.txt")
    write_text(tmp_path / "state.json", "new", is_internal=True)
    assert (tmp_path / "letter.txt").read_text() == "mine"
    assert not (tmp_path / "state.json").is_symlink()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="has no open streams in folders")
def test_a_file_that_is_an_open_stream_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "redirected"
    with file.open("w") as stream:
        (tmp_path / "link").symlink_to(f"/dev/fd/{stream.fileno()}")
        for path in (tmp_path / "link", Path(f"/dev/fd/{stream.fileno()}")):
            with pytest.raises(OutputError, match="is an open stream, which fabnet never replaces"):
                write_text(path, "new")
    assert file.read_text() == ""
