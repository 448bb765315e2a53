"""Track stores in an object store have the same rows as local ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import StoreError
from fabnet.files.lance_lock import locked
from fabnet.files.places import as_place, send, workplace
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import TrackStore, create_store, open_store

from ...store.rows import rows_of


def add(store: TrackStore, video: str) -> None:
    rows = [Row("p", video, "0", frame, None, video, "train", f"{video} {frame}".encode()) for frame in range(3)]
    store.append([rows_to_batch(rows)], [LedgerEntry(video, video, "ok", tracks=1, rows=3)])


def names_below(uri: str) -> list[str]:
    return [str(each).removeprefix(uri).strip("/") for each in as_place(uri).rglob("*") if each.is_file()]


def test_a_remote_import_equals_a_local_one(remote_store: str, store: Path) -> None:
    assert rows_of(remote_store) == rows_of(store)
    here, there = fabnet.info(store), fabnet.info(remote_store)
    assert there == here | {"path": remote_store, "written": there["written"]}
    assert fabnet.verify(remote_store).problem is None
    assert not list(workplace(as_place(remote_store)).glob("_spool"))


def test_remote_tracking_equals_local_tracking(bucket: str, second: Path, tmp_path: Path) -> None:
    uri = f"{bucket}/clips.lance"
    for number, name in enumerate(("a.mp4", "b.mp4")):  # first creates the store, then adds to it
        shutil.copy(second, tmp_path / name)
        options = ["--splits", "moments", "--num-workers", str(number), "--size", "64", "--fps", "5"]
        assert main(["track", str(tmp_path / name), "--out", uri, *options]) == 0
        assert main(["track", str(tmp_path / name), "--out", str(tmp_path / "clips.lance"), *options]) == 0
    assert rows_of(uri) == rows_of(tmp_path / "clips.lance")
    assert len(rows_of(uri)) >= 8
    assert open_store(uri).ledger() == open_store(tmp_path / "clips.lance").ledger()
    again = fabnet.track(tmp_path / "a.mp4", uri, splits="moments", size=64, fps=5, num_workers=0)
    assert again.num_skipped == 1


def test_people_are_removed_and_files_merged(bucket: str, store: Path, tmp_path: Path) -> None:
    own = as_place(f"{bucket}/own.lance")
    send(store, own)
    local = Path(shutil.copytree(store, tmp_path / "own.lance"))
    pictures = [row["image"] for row in rows_of(own) if row["identity"] == "person1"]
    assert len(pictures) == 10
    for path in (own, local):
        removed = fabnet.remove(path, ["person1"])
        assert removed.rows == 10
        compacted = fabnet.compact(path)
        assert compacted.rows == 50
        assert fabnet.verify(path, every_image=True).problem is None
    assert rows_of(own) == rows_of(local)
    assert not [name for name in names_below(str(own)) if pictures[0] in (own / name).read_bytes()]


def test_a_former_folder_stays_until_the_new_one_is_sent(bucket: str, tmp_path: Path) -> None:
    place: Any = as_place(f"{bucket}/pictures")
    for name in ("a.png", "b.png", "in/c.png"):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).write_text("one")
    send(tmp_path / "one", place)
    (tmp_path / "two").mkdir()
    for name in ("a.png", "d.png"):
        (tmp_path / "two" / name).write_text("two")
    put, place.fs.put_file = place.fs.put_file, broken_at("d.png", place.fs.put_file)
    try:
        with pytest.raises(ConnectionError):
            send(tmp_path / "two", place)
    finally:
        place.fs.put_file = put
    assert held_in(place) == {"a.png": "two", "b.png": "one", "in/c.png": "one"}
    send(tmp_path / "two", place)
    assert held_in(place) == {"a.png": "two", "d.png": "two"}


def broken_at(name: str, put_file: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """A network that fails at a file."""

    def put(local: str, place: str) -> None:
        if local.endswith(name):
            raise ConnectionError("the network is down")
        put_file(local, place)

    return put


def held_in(place: Any) -> dict[str, str]:
    """What the objects in a folder hold, by name."""
    found = place.fs.find(place.path)
    return {each.removeprefix(f"{place.path}/"): place.fs.cat_file(each).decode() for each in found}


def test_two_commands_on_one_machine_lock_each_other_out(bucket: str) -> None:
    create_store(f"{bucket}/busy.lance", crop={"size": 64})
    with locked(as_place(f"{bucket}/busy.lance")), pytest.raises(StoreError, match="another command is writing to s3"):
        fabnet.compact(f"{bucket}/busy.lance")


def test_rows_that_two_machines_add_are_all_kept(bucket: str) -> None:
    uri = f"{bucket}/two.lance"
    create_store(uri, crop={"size": 8})
    first, other = open_store(uri), open_store(uri)
    assert first.num_rows == other.num_rows == 0  # both open it before either adds rows
    add(first, "a")
    add(other, "b")
    add(first, "c")
    assert {row["video"] for row in rows_of(uri)} == set(open_store(uri).ledger()) == {"a", "b", "c"}
    assert [check.wrong for check in fabnet.verify(uri).checks if "contiguous" in check.name] == [0]


def test_json_names_the_uri(remote_store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compact", remote_store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == remote_store
