"""A dataset whose newest version is truncated opens at the one before with a warning; the next writer repairs it.

If a file that earlier versions need, too, is bad, nothing is read or changed until it is back.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import StoreError
from fabnet.files.lance import sweep
from fabnet.files.lance_versions import newest_version
from fabnet.files.output import written_whole
from fabnet.store.ledger import LedgerEntry, read_ledger
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.side_table import read_tracks
from fabnet.store.track_store import TrackStore, create_store, open_store
from fabnet.store.writing import writing


def add(store: TrackStore, video: str) -> None:
    rows = [Row("p", video, "0", frame, None, "x", "train", b"picture" * 50) for frame in range(3)]
    store.append([rows_to_batch(rows)], [LedgerEntry(video, "x", "ok", tracks=1, rows=3)])


@pytest.fixture
def store(tmp_path: Path) -> TrackStore:
    made = create_store(tmp_path / "s.lance", crop={})
    add(made, "a")
    add(made, "b")
    return made


def newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda file: file.stat().st_mtime_ns)


@pytest.mark.parametrize("left", [0, 100])
@pytest.mark.parametrize("pattern", ["data/*.lance", "_versions/*.manifest"])
def test_a_truncated_version_is_skipped(
    store: TrackStore, pattern: str, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    os.truncate(newest(store.path, pattern), left)
    for _ in range(2):
        assert open_store(store.path).num_rows == 3
    (warning,) = caplog.messages
    assert warning.startswith(f"warning: version 3 of {store.path} is incomplete (")
    assert warning.endswith("as by a power cut: using version 2, 3 rows")
    with writing(store.path, crop={}, settings={}) as again:
        assert read_ledger(store.path)["b"].status == "failed"  # so it is read again
        add(again, "c")
        assert [again.num_rows, newest_version(store.path)] == [6, 3]
        assert again.index().video.tolist() == ["a", "c"]
        assert again.compact() is False


def test_a_missing_file_counts_as_truncated(store: TrackStore, caplog: pytest.LogCaptureFixture) -> None:
    newest(store.path, "data/*.lance").unlink()
    assert open_store(store.path).num_rows == 3
    assert "is missing" in caplog.text


def content(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != "_lock"}


@pytest.mark.parametrize("left", [None, 0, 100])
def test_a_bad_file_of_earlier_versions_changes_nothing(
    store: TrackStore, left: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = min(store.path.glob("data/*.lance"), key=lambda file: file.stat().st_mtime_ns)  # of the first video
    for video in "cdef":
        add(store, video)
    whole = content(store.path)
    bad.unlink() if left is None else os.truncate(bad, left)
    harmed = content(store.path)
    reason = "missing" if left is None else f"truncated: it has {left} of "
    run, table = store.path.parent / "run", store.path.parent / "e.csv"
    commands = (
        ["info", "--verify"], ["info"], ["compact"], ["remove", "--identity=p"], ["train", f"--out={run}"],
        ["embed", "--model=pixels", f"--out={table}"],
    )  # fmt: skip
    for verb, *options in commands:
        assert main([verb, str(store.path), *options]) == 5
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith(f"fabnet {verb}: {store.path} is damaged: data/{bad.name} is {reason}")
        assert line.endswith(
            "so nothing was changed: restore it from a copy, or make the dataset again in another place"
        )
    with pytest.raises(StoreError, match="is damaged"), writing(store.path, crop={}, settings={}):
        raise AssertionError
    with pytest.raises(StoreError, match="is damaged"):
        add(store, "g")
    with pytest.raises(StoreError, match="is damaged"):
        sweep(store.path)
    left_over = store.path / "_pending.json"  # of the row that was not added
    assert {file: data for file, data in content(store.path).items() if file != left_over} == harmed
    bad.write_bytes(whole[bad])
    with writing(store.path, crop={}, settings={}) as again:
        add(again, "g")
        assert [again.num_rows, *{entry.status for entry in again.ledger().values()}] == [21, "ok"]


def test_a_bad_file_of_an_earlier_version_behind_a_truncated_manifest_changes_nothing(store: TrackStore) -> None:
    add(store, "c")
    min(store.path.glob("data/*.lance"), key=lambda file: file.stat().st_mtime_ns).unlink()
    os.truncate(newest(store.path, "_versions/*.manifest"), 0)
    with pytest.raises(StoreError, match="is damaged"), writing(store.path, crop={}, settings={}):
        raise AssertionError
    assert newest_version(store.path) == 4


def test_the_table_of_tracks_is_not_synced_so_that_any_of_its_files_may_be_bad(store: TrackStore) -> None:
    add(store, "c")
    files = (store.path / "_tracks.lance").glob("data/*.lance")
    os.truncate(sorted(files, key=lambda file: file.stat().st_mtime_ns)[1], 0)
    assert read_tracks(store.path).column("video").to_pylist() == ["a"]
    with writing(store.path, crop={}, settings={}):
        assert read_tracks(store.path).column("video").to_pylist() == ["a", "b", "c"]


def test_no_whole_version_is_one_line(store: TrackStore) -> None:
    for manifest in (store.path / "_versions").glob("*.manifest"):
        os.truncate(manifest, 0)
    with pytest.raises(StoreError, match="is truncated: it has 0 bytes"):
        open_store(store.path)


def test_a_truncated_first_commit_counts_as_no_commit(tmp_path: Path) -> None:
    made = create_store(tmp_path / "s.lance", crop={})
    (manifest,) = (made.path / "_versions").glob("*.manifest")
    os.truncate(manifest, 0)
    with writing(made.path, crop={}, settings={}) as again:
        add(again, "a")
    assert open_store(made.path).num_rows == 3


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="Windows keeps the names by itself")
def test_an_output_is_synced_before_it_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, real, replaced = list[tuple[str, int]](), os.fsync, os.replace

    def synced(opened: int) -> None:
        done.append(("sync", os.fstat(opened).st_ino))
        real(opened)

    def renamed(source: Path, target: Path) -> None:
        done.append(("rename", os.stat(source).st_ino))
        replaced(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with written_whole(tmp_path / "out") as partial:
        partial.mkdir()
        (partial / "file").write_text("new")
    file, folder, above = ((tmp_path / name).stat().st_ino for name in ("out/file", "out", "."))
    assert done == [("sync", file), ("sync", folder), ("rename", folder), ("sync", above)]


def test_an_old_truncated_manifest_is_removed(store: TrackStore) -> None:
    os.truncate(sorted((store.path / "_versions").glob("*.manifest"))[-1], 0)  # of version 1
    assert fabnet.compact(store.path).rows == 6
    assert len(list((store.path / "_versions").glob("*.manifest"))) == 1
