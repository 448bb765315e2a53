"""Readers of a store or dataset that is being rewritten see their own version, or report that it was rewritten."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest

import fabnet
from fabnet.errors import RewrittenError, StoreError
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window
from fabnet.files.lance import open_dataset
from fabnet.files.lance_lock import locked
from fabnet.ingest.import_folder import import_folder
from fabnet.reading.columns import schema
from fabnet.reading.inputs import Failure, Input, read_items
from fabnet.reading.options import EmbedOptions
from fabnet.reading.rows import write_rows
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.search import search
from fabnet.sampling.loader import TrainingSteps, next_frames, step_loader
from fabnet.sampling.pairs import Jitter
from fabnet.store.side_table import forget_tracks
from fabnet.store.track_store import TrackStore, open_store
from fabnet.upkeep.datasets import note_removing


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(store, tmp_path / "own"))


def nameless(path: Path) -> None:
    """Make a store look like one of an earlier fabnet, without a generation."""
    for folder in (path, path / "_tracks.lance"):
        dataset = lance.dataset(str(folder))
        kept = {key.decode(): value.decode() for key, value in (dataset.schema.metadata or {}).items()}
        kept = {key: value for key, value in kept.items() if "generation" not in key}
        table = dataset.to_table().replace_schema_metadata(kept)
        shutil.rmtree(folder / "data")
        shutil.rmtree(folder / "_versions")
        lance.write_dataset(table, str(folder), schema=table.schema)


def in_another_process(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "fabnet", *map(str, words)], check=True, capture_output=True, timeout=60)


def sent_away(store: TrackStore) -> TrackStore:
    """The store after pickling, as another process gets it."""
    return pickle.loads(pickle.dumps(store))  # type: ignore[no-any-return]  # noqa: S301


def rows_of(store: TrackStore) -> list[tuple[Any, ...]]:
    columns = ("identity", "video", "track", "frame")
    return [tuple(row.values()) for row in store.read_rows(range(store.num_rows), columns).to_pylist()]


@pytest.mark.parametrize("is_named", [True, False])
def test_row_numbers_from_before_a_removal_are_refused_after_it(own: Path, is_named: bool) -> None:
    if not is_named:
        nameless(own)
    reader, index = open_store(own), open_store(own).index()
    assert reader.num_rows == 60  # opens the store
    sent = sent_away(reader)  # as to a loader's process, which opens the store itself
    in_another_process("remove", own, "--identity", "person1")
    for each in (reader, sent):
        for call in (
            lambda each=each: each.read_rows(index.starts, ["identity"]), lambda each=each: each.read_images([0, 59]),
            lambda each=each: list(each.batches(["image"])),
        ):  # fmt: skip
            with pytest.raises(RewrittenError, match=f"the store {own} was rewritten while it was read") as raised:
                call()
            assert "\n" not in str(raised.value)
            assert "corrupt" not in str(raised.value)
    assert open_store(own).num_rows == 50


@pytest.mark.parametrize("is_named", [True, False])
def test_an_index_belongs_to_the_rows_that_were_opened(own: Path, is_named: bool) -> None:
    """The table of tracks already describes the new rows then."""
    if not is_named:
        nameless(own)
    reader = open_store(own)
    before, starts = reader.index(), reader.spans()[0]
    in_another_process("remove", own, "--identity", "person0")
    with suppress(RewrittenError):
        assert reader.index().starts.tolist() == before.starts.tolist()
    with suppress(RewrittenError):
        assert reader.spans()[0].tolist() == starts.tolist()


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("step", ["renew_generation", "merge_files", "sweep", "_mend_store", "replace_ledger"])
@pytest.mark.parametrize("is_named", [True, False])
def test_no_reader_mixes_people_during_a_removal(
    own: Path, step: str, is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill a removal before each step: readers that opened the store before or after read their own people."""
    if not is_named:
        nameless(own)
    readers = [(open_store(own), open_store(own).index(min_frames=1))]

    def check() -> None:
        for reader, index in readers:
            for start, length, name in zip(index.starts, index.lengths, index.identity, strict=True):
                try:
                    found = reader.read_rows(np.arange(start, start + length), ["identity"])
                except RewrittenError:
                    continue
                assert set(found.column("identity").to_pylist()) == {name}

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        if step == "renew_generation":  # an exception undoes the deletion, but a kill does not
            note_removing(own, ["person1", "person3"])
            forget_tracks(own)
            lance.dataset(str(own)).delete("identity IN ('person1', 'person3')")
        else:
            patch.setattr(import_module("fabnet.upkeep.remove"), step, killed)
            with pytest.raises(KilledError):
                fabnet.remove(own, ["person1", "person3"])
    check()
    readers.append((open_store(own), open_store(own).index(min_frames=1)))
    check()
    fabnet.remove(own)
    check()
    assert open_store(own).num_rows == 40
    assert fabnet.verify(own).problem is None


@contextmanager
def few_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        few = {"batch_size": 7, "batch_readahead": 1, "fragment_readahead": 1}
        patch.setattr("fabnet.store.track_store.STREAMED", few)
        yield


def in_parts(path: Path, parts: int) -> Path:
    """The store with its rows in several files, so that a scan does not open all of them at its start."""
    dataset = lance.dataset(str(path))
    table = dataset.to_table()
    shutil.rmtree(path / "data")
    shutil.rmtree(path / "_versions")
    for first in range(0, len(table), -(-len(table) // parts)):
        part = table.slice(first, -(-len(table) // parts))
        lance.write_dataset(part, str(path), schema=dataset.schema, mode="append" if first else "create")
    return path


def test_a_scan_continues_when_files_are_merged_meanwhile(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = open_store(in_parts(own, 40))
    expected = rows_of(reader)
    with few_rows_at_once(monkeypatch):
        for split in (None, "train"):
            scan = reader.batches(("identity", "video", "track", "frame"), batch_rows=1, split=split)
            found = [next(scan)]
            fabnet.compact(own)
            found += list(scan)
            rows = [tuple(row.values()) for batch in found for row in batch.to_pylist()]
            assert rows == [row for row in expected if split is None or row[0] < "person4"]
            in_parts(own, 40)
            reader = open_store(own)


def test_a_scan_ends_in_one_line_when_people_are_removed(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = open_store(in_parts(own, 40))
    expected = rows_of(reader)
    with few_rows_at_once(monkeypatch):
        scan = reader.batches(("identity", "video", "track", "frame"), batch_rows=1)
        found = list(next(scan).to_pylist())
        fabnet.remove(own, ["person0", "person5"])
        with pytest.raises(RewrittenError, match="was rewritten"):
            found.extend(row for batch in scan for row in batch.to_pylist())
    assert [tuple(row.values()) for row in found] == expected[: len(found)]


@pytest.mark.parametrize("is_named", [True, False])
def test_a_store_deleted_and_made_again(own: Path, frames_folder: Path, tmp_path: Path, is_named: bool) -> None:
    if not is_named:
        nameless(own)
    reader = open_store(own)
    sent = sent_away(reader)
    assert reader.num_rows == sent.num_rows
    shutil.rmtree(own)
    with pytest.raises(StoreError, match="there is no store at"):
        reader.read_images([0])
    folders = shutil.copytree(frames_folder, tmp_path / "frames")
    shutil.move(folders / "person0", folders / "person9")
    import_folder(folders, own, layout="identity/video")
    for each in (reader, sent, sent_away(reader)):
        with pytest.raises(RewrittenError, match="was rewritten"):
            each.read_images([0])


def test_added_rows_do_not_count_as_rewriting(own: Path, tmp_path: Path, frames_folder: Path) -> None:
    folders = Path(shutil.copytree(frames_folder, tmp_path / "frames"))
    reader = open_store(own)
    expected = rows_of(reader)
    shutil.copytree(folders / "person0", folders / "person7")
    splits = tmp_path / "splits.csv"
    names = [f"person{n},{'train' if n < 4 else 'val'}" for n in (0, 1, 2, 3, 4, 5, 7)]
    splits.write_text("\n".join(["identity,split", *names]) + "\n")
    import_folder(folders, own, layout="identity/video", splits=splits)
    assert open_store(own).num_rows == 70
    fabnet.compact(own)
    assert rows_of(reader) == expected
    reader.refresh()
    assert reader.num_rows == 70


@pytest.mark.parametrize("num_workers", [0, 1])
def test_training_stops_in_one_line(own: Path, num_workers: int) -> None:
    """The loader's processes open the store themselves: at their first step, and again if files are gone."""
    reader = open_store(own)
    starts, lengths = reader.spans("train")
    steps = TrainingSteps(
        reader, starts, lengths, size=32, window=Window(0.5, 0.5, 0.7), jitter=Jitter(), batch_size=4, num_sources=1,
        seed=0,
    )  # fmt: skip
    with step_loader(steps, first_step=0, num_workers=num_workers) as frames:
        next_frames(frames)
        in_another_process("remove", own, "--identity", "person0")
        with pytest.raises(RewrittenError, match="was rewritten while it was read") as raised:
            list(map(next_frames, [frames] * 50))
    assert len(str(raised.value).splitlines()) == 1


def test_embedding_part_of_a_store(own: Path) -> None:
    """Parts are given to other processes and machines by row numbers."""
    store = open_store(own)
    part = Input(own, "own", "store", rows=(10, 20), generation=store.generation)
    options = EmbedOptions(crop="none")
    assert len(list(read_items([part], options, spec=CropSpec()))) == 10
    fabnet.remove(own, ["person0"])
    (failure,) = read_items([part], options, spec=CropSpec())
    assert isinstance(failure, Failure)
    assert "was rewritten" in failure.reason


def face_rows(people: str, count: int = 300) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    empty = {
        "track": "0",
        "time_s": None,
        "box_px": None,
        "score": None,
        "source": "x",
        "reason": "",
        "thumbnail": b"x",
    }
    return [
        empty | {"id": f"{people[n % len(people)]}/{n}", "identity": people[n % len(people)], "frame": n,
                 "video": people[n % len(people)], "embedding": rng.normal(size=8).astype(np.float32)}
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    write_rows(face_rows("abcd"), tmp_path / "faces.lance", file_format="lance", columns=schema(8, thumbnails=True))
    return tmp_path / "faces.lance"


def test_embeddings_after_a_removal_or_a_new_embed(faces: Path) -> None:
    gallery = Gallery(faces)
    assert gallery.take([5], ["identity"]) == [{"identity": "b"}]
    fabnet.remove(faces, ["a"])
    for call in (
        lambda: gallery.take([5], ["identity"]), lambda: list(gallery.scan(["id"])),
        lambda: gallery.rows(["b/1"], ["id"]), lambda: gallery.nearest(np.ones(8), 3), lambda: search(gallery, "b/1"),
    ):  # fmt: skip
        with pytest.raises(RewrittenError, match="was rewritten"):
            call()
    gallery = Gallery(faces)
    assert gallery.take([4], ["identity"]) == [{"identity": "c"}]
    write_rows(face_rows("xyz"), faces, file_format="lance", columns=schema(8, thumbnails=True))
    with pytest.raises(RewrittenError, match="was rewritten"):
        gallery.take([5], ["identity"])


def test_embeddings_can_be_read_after_merging_or_indexing(faces: Path) -> None:
    lance.write_dataset(lance.dataset(str(faces)).to_table().slice(0, 100), str(faces), mode="append")
    gallery = Gallery(faces)
    assert len(gallery.take([0], ["id"])) == 1
    fabnet.compact(faces)
    assert gallery.take([5, 399], ["id"]) == [{"id": "b/5"}, {"id": "d/99"}]
    Gallery(faces).build_index()
    fabnet.compact(faces)
    assert sum(batch.num_rows for batch in gallery.scan(["id"])) == 400
    assert gallery.is_current()
    assert gallery.has_index


def test_row_numbers_of_neighbours_during_a_removal(faces: Path) -> None:
    """Deleted rows still have addresses but no numbers."""
    lance.dataset(str(faces)).delete("identity IN ('a', 'c')")
    gallery = Gallery(faces)
    for found in gallery.nearest(np.ones(8), 150, numbers=True):
        assert gallery.take([found["row"]], ["id"]) == [{"id": found["id"]}]


def test_a_store_that_changes_while_it_is_checked_is_not_reported_as_corrupt(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fabnet.upkeep.verify import verify

    read_ledger = TrackStore.ledger

    def late(store: TrackStore) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(TrackStore, "ledger", read_ledger)
            fabnet.remove(own, ["person2"])
        return read_ledger(store)

    with monkeypatch.context() as patch:
        patch.setattr(TrackStore, "ledger", late)
        with pytest.raises(StoreError, match=r"another command wrote to|was rewritten while it was read"):
            verify(own)
    assert verify(own).problem is None
    (own / "_removing.json").write_text('{"identities": ["person3"]}')
    assert "person3 was interrupted" in (verify(own).problem or "")
    with locked(own), pytest.raises(StoreError, match="another command is writing to"):
        verify(own)


def test_the_ledger_while_it_is_replaced(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is opened before a compaction and read after it."""
    from fabnet.store import ledger

    opened = []

    def slow(folder: Path) -> Any:
        opened.append(folder)
        dataset = open_dataset(folder)
        if len(opened) == 1:
            in_another_process("compact", own)
        return dataset

    monkeypatch.setattr(ledger, "open_dataset", slow)
    assert len(ledger.read_ledger(own)) == 6
    assert len(opened) == 2


def test_a_removal_names_what_it_cannot_reach(own: Path) -> None:
    said = "\n".join(fabnet.remove(own, ["person0"]).not_reached)
    for word in ("browsers", "Parquet", "CSV", "npy", "overlays", "reports", "contact sheets", "probes", "backups",
                 "object-store versions", "encoders", "source videos", "cache folder", "other stores"):  # fmt: skip
        assert word in said
