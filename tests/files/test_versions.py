"""A dataset whose newest version is truncated opens at the one before with a warning; the next writer repairs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fabnet
from fabnet.errors import StoreError
from fabnet.files.lance_versions import newest_version
from fabnet.files.output import written_whole
from fabnet.store.ledger import LedgerEntry, read_ledger
from fabnet.store.schema import Row, rows_to_batch
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
