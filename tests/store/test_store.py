from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from fabnet.errors import OutputError, StoreError
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import ROW_SCHEMA, metadata_of, rows_to_batch
from fabnet.store.summary import store_summary
from fabnet.store.track_store import MAX_FRAGMENTS, TrackStore, create_store, is_store, open_store
from fabnet.store.writing import writing

from .conftest import CROP, a_row, fill


def test_rows_are_read_as_they_were_written(store: TrackStore) -> None:
    row = a_row(
        box_px=np.array([1, 2, 3, 4]), landmarks5_px=np.arange(10).reshape(5, 2), score=0.5, time_s=1.25, frame=7
    )
    store.append([rows_to_batch([row, a_row(frame=8, time_s=None)])], [LedgerEntry("v", "v", "ok", rows=2)])
    first, second = open_store(store.path).read_rows([0, 1]).to_pylist()
    assert first == {
        "identity": "p", "video": "v", "track": "0", "frame": 7, "time_s": 1.25, "source": "v", "split": "train",
        "box_px": [1, 2, 3, 4], "crop_box_px": [0, 0, 8, 8], "landmarks5_px": list(range(10)), "score": 0.5,
        "image": b"v/0/0".replace(b"/0/0", b"/0/7"),
    }  # fmt: skip
    assert second["time_s"] is None
    assert second["box_px"] is None
    assert second["score"] is None


def test_images_are_read_in_the_order_given_also_repeatedly(store: TrackStore) -> None:
    fill(store, "v", tracks=2, frames=3)
    assert store.read_images([4, 0, 4, 2]) == [b"v/1/1", b"v/0/0", b"v/1/1", b"v/0/2"]
    assert store.read_images(np.array([5], np.int32)) == [b"v/1/2"]
    assert store.read_images([]) == []
    with pytest.raises(StoreError, match="has rows 0 to 5; asked for 0 to 6"):
        store.read_images([6, 0])


def read_first(store: TrackStore) -> list[bytes]:
    return store.read_images([0])


def test_a_store_can_be_sent_to_a_spawned_process(store: TrackStore) -> None:
    fill(store, "v")
    assert store.read_images([0]) == [b"v/0/0"]
    assert pickle.loads(pickle.dumps(store)).read_images([0]) == [b"v/0/0"]  # noqa: S301
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert processes.submit(read_first, store).result() == [b"v/0/0"]


def test_batches_cover_all_rows_in_order(store: TrackStore) -> None:
    for video in "abcd":
        fill(store, video, tracks=3, frames=5)
    batches = list(store.batches(["image", "video"], batch_rows=7))
    assert all(batch.num_rows <= 7 for batch in batches)
    images = [image for batch in batches for image in batch.column("image").to_pylist()]
    assert images == store.read_images(range(60))


def test_compaction_keeps_the_order_and_open_readers(store: TrackStore) -> None:
    for number in range(MAX_FRAGMENTS + 3):
        fill(store, f"v{number}", tracks=1, frames=2)
    reader = open_store(store.path)
    before = reader.read_images(range(reader.num_rows))
    assert store.compact()
    assert not store.compact()
    assert len(lance.dataset(str(store.path)).get_fragments()) == 1
    assert reader.read_images(range(reader.num_rows)) == before
    assert open_store(store.path).read_images(range(reader.num_rows)) == before
    assert len(store.ledger()) == MAX_FRAGMENTS + 3


def test_a_long_run_does_not_accumulate_history(store: TrackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabnet.store.track_store.MAX_FRAGMENTS_WHILE_WRITING", 10)
    monkeypatch.setattr("fabnet.store.track_store.MAX_FRAGMENTS", 5)
    given = []
    for number in range(35):
        rows = [
            a_row(f"v{number}", frame=0, time_s=None, score=None),
            a_row(f"v{number}", frame=1, score=0.5, box_px=np.arange(4), landmarks5_px=np.arange(10)),
        ]
        given += rows_to_batch(rows).to_pylist()
        store.append([rows_to_batch(rows)], [LedgerEntry(f"v{number}", "v", "ok", rows=2)])
        assert len(lance.dataset(str(store.path)).get_fragments()) <= 10
    assert len(list((store.path / "_versions").glob("*.manifest"))) <= 12
    assert open_store(store.path).read_rows(range(70)).to_pylist() == given
    assert set(store.ledger()) == {f"v{number}" for number in range(35)}


def test_merging_320_mb_takes_little_memory(tmp_path: Path) -> None:
    script = tmp_path / "compact.py"
    script.write_text(COMPACTION)
    grown_mb = float(subprocess.check_output([sys.executable, str(script), str(tmp_path / "s.lance")], text=True))
    assert grown_mb < 40


COMPACTION = r"""
import re, sys
import numpy as np
from pathlib import Path
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.summary import store_summary
from fabnet.store.track_store import create_store

store = create_store(Path(sys.argv[1]), crop={})
image = np.random.default_rng(0).bytes(20_000)
for video in map(str, range(40)):
    rows = [Row("p", video, "0", frame, None, video, "train", image) for frame in range(400)]
    store.append((rows_to_batch(rows[at : at + 25]) for at in range(0, len(rows), 25)), [])
del rows
def peak_mb():  # not ru_maxrss, which in a new process includes that of its parent
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024

before = peak_mb()
assert store.compact()
print(peak_mb() - before)
"""


def test_an_append_that_fails_leaves_the_store_unchanged(store: TrackStore) -> None:
    fill(store, "v")

    def broken() -> Iterator[pa.RecordBatch]:
        yield rows_to_batch([a_row("w")])
        raise RuntimeError("stop here")

    with pytest.raises(Exception, match="stop here"):
        store.append(broken(), [LedgerEntry("w", "w", "ok", rows=1)])
    assert open_store(store.path).num_rows == 6
    assert set(store.ledger()) == {"v"}


def test_inputs_with_rows_but_without_a_ledger_entry_are_not_repeated(store: TrackStore) -> None:
    fill(store, "v")
    store.append([rows_to_batch([a_row("w", "0"), a_row("w", "1")])], [])  # killed between the two commits
    with writing(store.path, crop=CROP, settings={}) as again:
        entry = again.ledger()["w"]
    assert (entry.status, entry.tracks, entry.rows, entry.is_finished) == ("ok", 2, 2, True)
    assert again.recover() == []


def test_a_kill_between_the_commits_loses_no_reason(store: TrackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "v")
    entry = LedgerEntry("w", "/w", "partial", "1 left out", 9, 1.5, 3, 2, 1, 2, (("w/1.jpg", "no face found"),))
    rows = [a_row("w", frame=0), a_row("w", frame=2)]

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("fabnet.store.track_store.write_ledger", killed)
        with pytest.raises(SystemExit):
            store.append([rows_to_batch(rows)], [entry])
    with writing(store.path, crop=CROP, settings={}) as again:
        assert again.ledger()["w"] == entry
        assert again.num_rows == 8
    with monkeypatch.context() as patch:
        patch.setattr("fabnet.store.track_store.write_rows", killed)
        with pytest.raises(SystemExit):
            store.append([rows_to_batch([a_row("x")])], [LedgerEntry("x", "/x", "ok", rows=1)])
    with writing(store.path, crop=CROP, settings={}) as again:
        assert set(again.ledger()) == {"v", "w"}  # its rows are missing, so it is repeated


def test_a_ledger_that_cannot_be_written_loses_no_reason(store: TrackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = LedgerEntry("w", "/w", "partial", "1 left out", 9, 1.5, 3, 2, 1, 1, (("w/1.jpg", "no face found"),))

    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("fabnet.store.track_store.write_ledger", full)
        with pytest.raises(OutputError):
            store.append([rows_to_batch([a_row("w")])], [entry])
    store.append([], [])  # a command that ends writes its remaining entries, here none
    assert store.recover() == [entry]


def test_the_last_ledger_entry_counts(store: TrackStore) -> None:
    store.append([], [LedgerEntry("v", "/v", "failed", "truncated", size_bytes=3, mtime=1.5)])
    assert not store.ledger()["v"].is_finished
    store.append([], [LedgerEntry("v", "/v", "no-face", dropped=(("a.jpg", "no face found"),))])
    assert store.ledger()["v"].dropped == (("a.jpg", "no face found"),)
    assert store.ledger()["v"].is_finished


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    metadata = metadata_of({}, {}) | {"fabnet.store_version": "7", "fabnet.created_by": "fabnet 9.1"}
    schema = ROW_SCHEMA.with_metadata(metadata)
    lance.write_dataset(schema.empty_table(), str(tmp_path / "new.lance"), schema=schema)
    message = r"new.lance has store version 7 \(made by fabnet 9.1\); expected version 1: update fabnet"
    with pytest.raises(StoreError, match=message):
        open_store(tmp_path / "new.lance")
    assert is_store(tmp_path / "new.lance")
    with pytest.raises(StoreError, match="expected version 1"):
        with writing(tmp_path / "new.lance", crop={}, settings={}):
            raise AssertionError("not reached")


def test_a_path_that_is_not_a_store_is_named(tmp_path: Path) -> None:
    lance.write_dataset(pa.table({"x": [1]}), str(tmp_path / "other.lance"))
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.jpg").write_text("text")
    assert not is_store(tmp_path / "other.lance")
    assert not is_store(tmp_path / "file")
    assert not is_store(tmp_path / "nowhere")
    for name, message in {
        "nowhere": "there is no store at",
        "file": "is not a track store",
        "folder": "is not a track store",
        "other.lance": "no fabnet.store_version",
    }.items():
        with pytest.raises(StoreError, match=message):
            open_store(tmp_path / name)
    (tmp_path / "project" / "data" / "inner.lance").mkdir(parents=True)
    for name, message in {
        "file": "is a file",
        "folder": "holds other files \\(photo.jpg",
        "project": "holds other files \\(data/inner.lance",
    }.items():
        with pytest.raises(StoreError, match=message):
            with writing(tmp_path / name, crop={}, settings={}):
                raise AssertionError("not reached")


def test_a_corrupt_store_is_named(store: TrackStore) -> None:
    fill(store, "v")
    for manifest in (store.path / "_versions").iterdir():
        manifest.write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="corrupt"):
        open_store(store.path)


def test_a_corrupt_schema_is_named(store: TrackStore) -> None:
    fill(store, "v")
    for manifest in (store.path / "_versions").iterdir():
        manifest.write_bytes(manifest.read_bytes().replace(b"string", b"st\0\0ng"))
    for ask in (open_store, is_store):
        with pytest.raises(StoreError, match="corrupt"):
            ask(store.path)


def test_one_writer_at_a_time_with_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "s.lance"
    with writing(path, crop=CROP, settings={"verb": "track", "fps": 1.0}):
        with pytest.raises(StoreError, match="another command is writing"):
            with writing(path, crop=CROP, settings={}):
                raise AssertionError("not reached")
    with pytest.raises(StoreError, match=r"made with settings fps = 1.0; now it is 5.0: use the same"):
        with writing(path, crop=CROP, settings={"verb": "track", "fps": 5.0}):
            raise AssertionError("not reached")
    with pytest.raises(StoreError, match="made with crop size = 8; now it is 9"):
        with writing(path, crop={"size": 9}, settings={"verb": "import"}):
            raise AssertionError("not reached")
    with writing(path, crop=CROP, settings={"verb": "import"}) as store:
        assert store.crop == CROP
        assert store.settings == {"verb": "track", "fps": 1.0}
    with pytest.raises(StoreError, match="already exists"):
        create_store(path, crop=CROP)


def test_a_full_disk_is_one_clear_error_and_the_store_stays_whole(small_disk: Path) -> None:
    store = create_store(small_disk / "s.lance", crop=CROP)
    fill(store, "v")
    random = np.random.default_rng(0)
    rows = [a_row("big", frame=frame, image=random.bytes(100_000)) for frame in range(60)]
    with pytest.raises(OutputError, match="the disk is full"):
        store.append([rows_to_batch(rows)], [LedgerEntry("big", "big", "ok", rows=60)])
    again = open_store(small_disk / "s.lance")
    assert again.read_images(range(again.num_rows)) == [f"v/{t}/{f}".encode() for t in range(2) for f in range(3)]
    assert set(again.ledger()) == {"v"}
    fill(store, "w")  # the space of the failed append was freed
    assert open_store(store.path).num_rows == 12


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("identity", pa.nulls(6, pa.string())), ("identity", pa.array(range(6))), ("split", pa.array(["train"] * 6)),
        ("frame", pa.array(list("abcdef"))), ("image", pa.array(list("abcdef"))), ("image", pa.nulls(6, pa.binary())),
        ("crop_box_px", pa.array(list("abcdef"))), ("crop_box_px", pa.nulls(6, pa.list_(pa.float32(), 3))),
    ],
)  # fmt: skip
def test_columns_of_another_type_are_named(name: str, values: pa.Array, store: TrackStore, tmp_path: Path) -> None:
    fill(store, "v", tracks=2, frames=3)
    rows = lance.dataset(str(store.path)).to_table()
    at, metadata = rows.column_names.index(name), rows.schema.metadata
    odd = rows.set_column(at, name, values).replace_schema_metadata(metadata)
    lance.write_dataset(odd, tmp_path / "odd.lance")
    with pytest.raises(StoreError, match=rf"has a column {name} \(.*; expected {name} \("):
        open_store(tmp_path / "odd.lance")


def test_summary_counts(store: TrackStore) -> None:
    fill(store, "a", tracks=2, frames=3, identity="x")
    fill(store, "b", tracks=1, frames=1, identity="y", split="test")
    store.append([], [LedgerEntry("c", "c", "no-face", dropped=(("c/1.jpg", "no face found"),))])
    counts = store_summary(store).to_json()
    json.dumps(counts)
    assert (counts["rows"], counts["tracks"], counts["videos"], counts["identities"]) == (7, 3, 2, 2)
    assert counts["short_tracks"] == 1
    assert counts["splits"] == {
        "train": {"rows": 6, "tracks": 2, "identities": 1},
        "val": {"rows": 0, "tracks": 0, "identities": 0},
        "test": {"rows": 1, "tracks": 1, "identities": 1},
    }
    assert counts["inputs"] == {"no-face": 1, "ok": 2}
    assert counts["num_dropped"] == 1
