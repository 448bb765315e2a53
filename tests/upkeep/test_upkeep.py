"""Checking, compacting, and removing people from stores and embeddings datasets."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, OutputError, StoreError
from fabnet.ingest.import_folder import import_folder
from fabnet.reading.columns import schema
from fabnet.retrieval.gallery import Gallery
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.side_table import add_tracks, forget_tracks, read_tracks
from fabnet.store.track_store import create_store, open_store


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    """A copy of the store: six people with a video each."""
    return Path(shutil.copytree(store, tmp_path / "own.lance"))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """An embeddings dataset of 320 rows of four people, with an index."""
    rng = np.random.default_rng(0)
    rows = [
        {"id": f"p{n % 4}/v/{n}", "identity": f"p{n % 4}", "video": f"p{n % 4}/v", "track": "0", "frame": n,
         "source": f"p{n % 4}.mp4", "reason": "", "thumbnail": rng.bytes(3000),
         "embedding": rng.normal(size=8).astype(np.float32)}
        for n in range(400)
    ]  # fmt: skip
    columns = schema(8, thumbnails=True)
    for part in (rows[:150], rows[150:]):
        lance.write_dataset(pa.Table.from_pylist(part, schema=columns), str(tmp_path / "faces.lance"), mode="append")
    Gallery(tmp_path / "faces.lance").build_index()
    return tmp_path / "faces.lance"


def holders(path: Path, data: bytes) -> list[str]:
    return [file.name for file in path.rglob("*") if file.is_file() and data in file.read_bytes()]


def all_rows(path: Path) -> list[dict[str, Any]]:
    return list(lance.dataset(str(path)).to_table().to_pylist())


@pytest.mark.parametrize("command", [["compact"], ["remove", "--identity", "Ann"], ["info", "--verify"]])
def test_what_is_neither_store_nor_dataset_is_refused(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "talk.csv"
    table.write_text("source,person\n")
    assert main([command[0], str(table), *command[1:]]) == 5
    assert capsys.readouterr().err.endswith(f"{table} is neither a track store nor an embeddings dataset\n")
    missing = tmp_path / "none"
    assert main([command[0], str(missing), *command[1:]]) == 5
    assert f"there is nothing at {missing}; expected a track store or" in capsys.readouterr().err


def test_a_sound_store_passes_unchanged(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in own.rglob("*") if file.is_file()}
    assert main(["info", str(own), "--verify", "--every-image"]) == 0
    assert "pictures decode" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in own.rglob("*") if file.is_file()} == before
    report = fabnet.verify(own)
    assert report.problem is None
    assert {check.name: check.checked for check in report.checks}["rows of a track are contiguous"] == 6


def bad_picture(path: Path) -> None:
    spoilt = open_store(path)
    row = Row("x", "x", "0", 0, None, "x", "train", b"\xff\xd8 no picture")
    spoilt.append([rows_to_batch([row])], [LedgerEntry("x", "x", "ok", tracks=1, rows=1)])


def torn_track(path: Path) -> None:
    data = open_store(path).read_images([0])[0]
    for video in "xyx":
        row = Row(video, video, "0", 0, None, "x", "train", data)
        open_store(path).append([rows_to_batch([row])], [])


def back_in_time(path: Path) -> None:
    data = open_store(path).read_images([0])[0]
    rows = [Row("x", "x", "0", frame, None, "x", "train", data) for frame in (2, 1)]
    open_store(path).append([rows_to_batch(rows)], [LedgerEntry("x", "x", "ok", tracks=1, rows=2)])


def lost_rows(path: Path) -> None:
    forget_tracks(path)
    lance.dataset(str(path)).delete("identity = 'person1'")


def wrong_tracks(path: Path) -> None:
    tracks = read_tracks(path)
    forget_tracks(path)
    names = pa.array(["somebody"] * len(tracks))
    add_tracks(path, tracks.set_column(0, "identity", names))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (bad_picture, "pictures decode: 1 wrong, the first: row 60"),
        (torn_track, "contiguous: 1 wrong"),
        (back_in_time, "x track 0: frame 1 after frame 2"),
        (lost_rows, "person1/0: 10 rows in the ledger, 0 in the store"),
        (wrong_tracks, "table of tracks against the rows: 1 wrong"),
    ],
)
def test_a_corrupt_store_is_reported_in_one_line(
    own: Path, harm: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    harm(own)
    assert main(["info", "--verify", str(own)]) == 5
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"fabnet info: {own} is corrupt: ")
    assert said in line


def test_rows_that_a_full_disk_kept_out_are_not_a_problem(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("LanceError(IO): No space left on device (os error 28)")

    row = Row("p", "late", "0", 0, None, "late", "train", b"x")
    with monkeypatch.context() as patch:
        patch.setattr("fabnet.store.track_store.write_rows", full)
        with pytest.raises(OutputError):
            open_store(own).append([rows_to_batch([row])], [LedgerEntry("late", "late", "ok", tracks=1, rows=1)])
    assert fabnet.verify(own).problem is None


def test_tracks_that_a_kill_kept_out_of_their_table_are_not_a_problem(own: Path) -> None:
    tracks = read_tracks(own)
    forget_tracks(own)
    add_tracks(own, tracks.slice(0, 4))
    assert fabnet.verify(own).problem is None


def test_embeddings_are_checked(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thumbnails = fabnet.verify(faces).checks[2]
    assert (thumbnails.checked, thumbnails.wrong) == (400, 400)  # these thumbnails are noise
    rows = [row | {"thumbnail": None} for row in all_rows(faces)]
    rows[3]["embedding"], rows[4]["embedding"], rows[5]["embedding"] = [np.nan] * 8, [0.0] * 8, None
    lance.write_dataset(pa.Table.from_pylist(rows, schema=schema(8, thumbnails=True)), str(faces), mode="overwrite")
    assert main(["info", "--verify", str(faces), "--json"]) == 5
    found = json.loads(capsys.readouterr().out)["checks"]
    assert [check["wrong"] for check in found] == [0, 3, 0]
    assert any("no embedding and no reason" in example for example in found[1]["examples"])


def test_compacting_keeps_rows_and_ledger(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = open_store(own).read_images([0])[0]
    for number in range(8):
        row = Row("x", f"x/{number}", "0", 0, None, "x", "train", data)
        open_store(own).append([rows_to_batch([row])], [LedgerEntry(f"x/{number}", "x", "ok", tracks=1, rows=1)])
    before, ledger = all_rows(own), open_store(own).ledger()
    assert main(["compact", str(own), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files_after"] < found["files_before"]
    assert found["rows"] == 68
    assert len(lance.dataset(str(own)).get_fragments()) == 1
    assert all_rows(own) == before
    assert open_store(own).ledger() == ledger
    assert fabnet.verify(own, every_image=True).problem is None
    assert fabnet.compact(own).rows == 68


def test_a_removed_person_is_nowhere_under_the_folder(own: Path, frames_folder: Path, tmp_path: Path) -> None:
    others = [row for row in all_rows(own) if row["identity"] != "person2"]
    images = [row["image"] for row in all_rows(own) if row["identity"] == "person2"]
    assert all(holders(own, image) for image in images)  # stored uncompressed; otherwise this test would prove nothing
    report = fabnet.remove(own, ["person2"])
    assert (report.removed, report.rows, report.tracks, report.videos) == ({"person2": 10}, 10, 1, 1)
    assert report.bytes_after < report.bytes_before
    assert report.sources == (f"{frames_folder.as_posix()}/person2/0",)
    assert not any(holders(own, image) for image in images)
    assert not any(holders(own, image[len(image) // 2 :][:64]) for image in images)
    assert all_rows(own) == others
    assert fabnet.verify(own, every_image=True).problem is None
    entry = open_store(own).ledger()["person2/0"]
    assert (entry.status, entry.source, entry.rows) == ("removed", "", 0)
    splits = tmp_path / "splits.csv"
    splits.write_text("identity,split\n" + "".join(f"person{n},{'train' if n < 4 else 'val'}\n" for n in range(6)))
    again = import_folder(frames_folder, own, layout="identity/video", splits=splits)
    assert (again.num_skipped, again.store.rows) == (6, 50)  # the same command does not add them again
    assert fabnet.remove(own, ["person2"]).already_removed == ("person2",)


def test_a_video_whose_ledger_entry_a_kill_prevented_is_not_tracked_again(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit

    row = Row("Bob", "talk.mp4", "0", 0, None, "/talk.mp4", "train", open_store(own).read_images([0])[0])
    entry = LedgerEntry("talk.mp4", "/talk.mp4", "ok", size_bytes=5, tracks=1, rows=1)
    with monkeypatch.context() as patch:
        patch.setattr("fabnet.store.track_store.write_ledger", killed)
        with pytest.raises(SystemExit):
            open_store(own).append([rows_to_batch([row])], [entry])
    assert "talk.mp4" not in open_store(own).ledger()
    report = fabnet.remove(own, ["Bob"])
    assert (report.removed, report.sources) == ({"Bob": 1}, ("/talk.mp4",))
    assert open_store(own).ledger()["talk.mp4"] == LedgerEntry("talk.mp4", "", "removed", "removed on request")
    assert fabnet.verify(own).problem is None


def test_unknown_names_change_nothing(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = all_rows(own)
    assert main(["remove", str(own), "--identity", "person1", "--identity", "persn3"]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(f"fabnet remove: {own} has no identity 'persn3'; did you mean 'person3'")
    assert all_rows(own) == before
    with pytest.raises(InputError, match="no identity given"):
        fabnet.remove(own)


@pytest.mark.parametrize("call", [fabnet.compact, lambda path: fabnet.remove(path, ["person1"])])
def test_a_bug_is_not_reported_as_a_corrupt_store(
    own: Path, call: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(path: Path) -> None:
        raise KeyError("a fault")

    for name in ("compact", "remove"):
        monkeypatch.setattr(import_module(f"fabnet.upkeep.{name}"), "forget_tracks", faulty)
    with pytest.raises(KeyError, match="a fault"):
        call(own)


@pytest.mark.parametrize("killed_at", ["merge_files", "sweep", "replace_ledger", "clear_pending"])
def test_a_killed_removal_is_finished_by_the_next(own: Path, killed_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [row["image"] for row in all_rows(own) if row["identity"] == "person1"]

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(import_module("fabnet.upkeep.remove"), killed_at, killed)
        with pytest.raises(SystemExit):
            fabnet.remove(own, ["person1"])
    assert "person1 was interrupted" in (fabnet.verify(own).problem or "")
    with pytest.raises(StoreError, match="a removal was interrupted"):
        fabnet.compact(own)
    fabnet.remove(own)
    assert not any(holders(own, image) for image in images)
    assert fabnet.verify(own, every_image=True).problem is None
    assert open_store(own).num_rows == 50


def test_embeddings_and_their_index_lose_a_person(faces: Path) -> None:
    theirs = [row for row in all_rows(faces) if row["identity"] == "p1"]
    vectors = [np.array(row["embedding"], np.float32).tobytes() for row in theirs]
    assert holders(faces, theirs[0]["thumbnail"])
    assert holders(faces, vectors[0])
    face_map = faces.with_name("faces.lance.pca-0123.npy")
    face_map.write_bytes(b"old")
    assert fabnet.remove(faces, ["p1"]).removed == {"p1": 100}
    assert not any(holders(faces, row["thumbnail"]) or holders(faces, row["id"].encode()) for row in theirs)
    assert not any(holders(faces, vector) for vector in vectors)
    assert not face_map.exists()
    gallery = Gallery(faces)
    assert gallery.has_index
    found = gallery.nearest(np.frombuffer(vectors[0], np.float32), 50, use_index=True)
    assert {row["identity"] for row in found} == {"p0", "p2", "p3"}
    assert fabnet.remove(faces, ["p2"]).rows == 100  # the 200 that are left are too few for an index
    assert not Gallery(faces).has_index
    assert {row["identity"] for row in all_rows(faces)} == {"p0", "p3"}


def test_maps_are_removed_also_from_within_the_dataset(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    face_map = faces.with_name("faces.lance.pca-0123.npy")
    face_map.write_bytes(b"old")
    monkeypatch.chdir(faces)
    assert fabnet.remove(".", ["p1"]).rows == 100
    assert not face_map.exists()


def test_one_of_two_people_in_a_video(tmp_path: Path) -> None:
    made = create_store(tmp_path / "s.lance", crop={"size": 16})
    noise = os.urandom(4000)
    rows = [Row(name, "v", name, frame, frame / 5, "v.mp4", "train", noise) for name in "ab" for frame in range(3)]
    made.append([rows_to_batch(rows)], [LedgerEntry("v", "/v.mp4", "ok", tracks=2, rows=6)])
    fabnet.remove(made.path, ["a"])
    entry = open_store(made.path).ledger()["v"]
    assert (entry.status, entry.rows, entry.tracks) == ("ok", 3, 1)
    assert open_store(made.path).spans()[0].tolist() == [0]
