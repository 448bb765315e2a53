"""The index of a store's tracks, read from the table of tracks or from the rows."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from fabnet.errors import InputError, StoreError
from fabnet.store.index import TRACK_SCHEMA, TrackIndex, digest_of
from fabnet.store.side_table import add_tracks, forget_tracks, read_tracks
from fabnet.store.track_store import TrackStore, open_store
from fabnet.store.writing import writing

from .conftest import CROP, fill


def test_the_index_is_sorted(store: TrackStore) -> None:
    fill(store, "b", tracks=1, frames=2, split="val", identity="z")
    fill(store, "a", tracks=2, frames=3, identity="y")
    fill(store, "c", tracks=1, frames=1, identity="x")
    index = store.index(min_frames=1)
    assert index.identity.tolist() == ["x", "y", "y", "z"]
    assert index.starts.tolist() == [8, 2, 5, 0]
    assert index.lengths.tolist() == [1, 3, 3, 2]
    assert index.video.tolist() == ["c", "a", "a", "b"]
    assert index.track.tolist() == ["0", "0", "1", "0"]
    assert store.index("val").video.tolist() == ["b"]
    assert len(store.index("train")) == 2
    assert len(store.index("test")) == 0
    assert store.index().num_rows == 8
    with pytest.raises(InputError, match="no split 'dev': choose one of train, val, test"):
        store.index("dev")


def test_an_empty_store_has_an_empty_index(store: TrackStore) -> None:
    assert len(store.index()) == 0
    assert store.num_rows == 0


def test_tracks_are_found_without_reading_rows(store: TrackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "b", tracks=2, frames=3, split="val", identity="z")
    fill(store, "a", tracks=2, frames=4, identity="y")
    fill(store, "c", tracks=1, frames=1)
    from_rows = open_store(store.path)
    forget_tracks(store.path)
    expected = from_rows.index(min_frames=1)
    with writing(store.path, crop=CROP, settings={}):
        pass  # writes the table of tracks again
    monkeypatch.setattr(TrackStore, "_scan", None)
    index = open_store(store.path).index(min_frames=1)
    for name in TrackIndex.__slots__:
        assert getattr(index, name).tolist() == getattr(expected, name).tolist()
    for split, min_frames in itertools.product((None, "train", "val", "test"), (1, 2, 4)):
        chosen = expected.select(split, min_frames)
        starts, lengths = open_store(store.path).spans(split, min_frames)
        assert starts.dtype == lengths.dtype == np.int64
        assert (starts.tolist(), lengths.tolist()) == (chosen.starts.tolist(), chosen.lengths.tolist())
    with pytest.raises(InputError, match="no split 'dev'"):
        store.spans("dev")


def test_tracks_missing_from_the_table_are_read_from_rows(store: TrackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "a")
    early = open_store(store.path)
    assert early.num_rows == 6
    with monkeypatch.context() as patch:
        patch.setattr("fabnet.store.track_store.add_tracks", lambda *_: None)  # killed before the table was extended
        fill(store, "b")
    assert open_store(store.path).index().video.tolist() == ["a", "a", "b", "b"]
    with writing(store.path, crop=CROP, settings={}) as again:
        assert len(read_tracks(store.path)) == 4
        fill(again, "c")
    assert early.index().video.tolist() == ["a", "a"]  # it does not see later rows yet
    assert open_store(store.path).spans()[0].tolist() == list(range(0, 18, 3))


@pytest.mark.parametrize("harm", ["gap", "nonsense", "beyond"])
def test_a_wrong_table_of_tracks_is_ignored(store: TrackStore, harm: str) -> None:
    fill(store, "a")
    fill(store, "b")
    tracks = read_tracks(store.path)
    forget_tracks(store.path)
    if harm == "gap":
        add_tracks(store.path, pa.concat_tables([tracks.slice(0, 1), tracks.slice(2)]))
    elif harm == "beyond":
        add_tracks(store.path, pa.concat_tables([tracks, tracks]))
    else:
        add_tracks(store.path, tracks)
        for file in (store.path / "_tracks.lance" / "data").iterdir():
            file.write_bytes(b"nonsense")
    assert open_store(store.path).spans()[0].tolist() == [0, 3, 6, 9]
    with writing(store.path, crop=CROP, settings={}):
        assert read_tracks(store.path).column("start").to_pylist() == [0, 3, 6, 9]


def test_a_track_that_is_not_contiguous_is_an_error(store: TrackStore) -> None:
    fill(store, "a", tracks=1)
    fill(store, "b", tracks=1)
    fill(store, "a", tracks=1)
    with pytest.raises(StoreError, match="rows of track 0 of video a are not contiguous"):
        store.index()


def test_the_digest_depends_only_on_the_tracks() -> None:
    rows = [(f"person{i // 3}", f"v{i}", "é" * (i % 4), "test" if i % 5 == 4 else "train", 7 * i, i) for i in range(20)]
    tracks = pa.table(dict(zip(TRACK_SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True)), TRACK_SCHEMA)
    pieces = pa.concat_tables([tracks.slice(0, 3), tracks.slice(3, 0), tracks.slice(3, 9), tracks.slice(12)])
    assert digest_of(pieces) == digest_of(tracks)
    assert digest_of(tracks.filter(pc.not_equal(tracks.column("split"), "test"))) == digest_of(tracks)
    others = [tracks.slice(1), tracks.take([1, 0, *range(2, 20)])]
    for place, value in ((0, "person"), (1, "v"), (2, "x"), (3, "val"), (5, 3)):
        column = pa.array([value, *tracks.column(place).to_pylist()[1:]], TRACK_SCHEMA.types[place])
        others.append(tracks.set_column(place, TRACK_SCHEMA.field(place), column))
    assert len({digest_of(table) for table in [tracks, *others]}) == 8
