from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fabnet.errors import OutputError
from fabnet.store.spool import SpoolWriter, read_spool

from .conftest import a_row


def spooled(path: Path, *rows: tuple[str, int], split: str = "train") -> list[dict]:
    with SpoolWriter(path) as spool:
        for track, frame in rows:
            spool.add(a_row(track=track, frame=frame, split=split))
    return [row for batch in read_spool(path) for row in batch.to_pylist()]


def test_interleaved_tracks_are_read_one_by_one(tmp_path: Path) -> None:
    given = [(str(track), frame) for frame in range(100) for track in range(5) if (frame + track) % 3]
    rows = spooled(tmp_path / "s.arrow", *given)
    found = [(row["track"], row["frame"]) for row in rows]
    assert found == sorted(given, key=lambda each: (given.index(next(g for g in given if g[0] == each[0])), each[1]))
    assert all(row["image"] == f"v/{row['track']}/{row['frame']}".encode() for row in rows)


def test_moments_split_a_track_in_two(tmp_path: Path) -> None:
    rows = spooled(tmp_path / "s.arrow", *[("a", frame) for frame in range(8)], ("b", 0), split="moments")
    assert [(row["track"], row["split"], row["frame"]) for row in rows] == [
        *[("a", "train", frame) for frame in range(6)], ("a-val", "val", 6), ("a-val", "val", 7), ("b", "train", 0),
    ]  # fmt: skip


def test_the_validation_part_gets_an_unused_name(tmp_path: Path) -> None:
    names = ("a", "a-val", "a-val-val")
    given = [(name, frame) for name in names for frame in range(8)]
    rows = spooled(tmp_path / "s.arrow", *given, split="moments")
    parts = {(row["track"], row["split"]) for row in rows}
    assert len(parts) == len({track for track, _ in parts}) == 6
    assert {track for track, split in parts if split == "train"} == set(names)
    assert len(rows) == len({(row["track"], row["frame"]) for row in rows}) == 24


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    image = np.random.default_rng(0).bytes(30_000)
    pool, before = pa.default_memory_pool(), pa.total_allocated_bytes()
    peaks = []
    for length in (900, 2700):
        peak = 0
        with SpoolWriter(tmp_path / "s.arrow") as spool:
            for frame in range(length):
                spool.add(a_row(track=str(frame % 3), frame=frame, image=image))
                peak = max(peak, pool.bytes_allocated() - before)
        for batch in read_spool(tmp_path / "s.arrow"):
            peak = max(peak, pool.bytes_allocated() - before)
            del batch
        peaks.append(peak)
    assert peaks[1] < 1.2 * peaks[0] < 30e6


def test_a_spool_that_fails_is_removed(tmp_path: Path) -> None:
    def broken() -> None:
        with SpoolWriter(tmp_path / "s.arrow") as spool:
            spool.add(a_row())
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        broken()
    assert not (tmp_path / "s.arrow").exists()


def test_a_full_disk_is_an_output_error(small_disk: Path) -> None:
    random = np.random.default_rng(0)
    rows = [(frame, random.bytes(100_000)) for frame in range(100)]

    def fill_up() -> None:
        with SpoolWriter(small_disk / "s.arrow") as spool:
            for frame, image in rows:
                spool.add(a_row(frame=frame, image=image))

    with pytest.raises(OutputError, match="the disk is full"):
        fill_up()
    assert not (small_disk / "s.arrow").exists()
