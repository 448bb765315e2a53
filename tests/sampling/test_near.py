"""Pairs near in time, and draws by person and by frame: closed forms of what is drawn."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from fabnet.errors import TrainingError
from fabnet.models.find_model import latest_checkpoint
from fabnet.sampling.pairs import Draw, Jitter, Near, draw
from fabnet.store.frame_times import UNKNOWN_MS, frame_times_ms
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import TrackStore, create_store
from fabnet.training.config import TrainConfig, preset
from fabnet.training.run_log import read_metrics
from fabnet.training.train import read_run, train

# Tracks: dense (10 a second), uneven, sparse (2 s apart), without times. Rows 3 to 6 belong to no track.
STARTS, LENGTHS = np.array([0, 7, 27, 32, 37]), np.array([3, 20, 5, 5, 4])
TIMES_MS = np.concatenate(
    [
        np.array([0, 100, 200]), np.full(4, UNKNOWN_MS), np.arange(20) * 100, np.array([0, 300, 400, 450, 2000]),
        np.arange(5) * 2000, np.full(4, UNKNOWN_MS),
    ]
).astype(np.int32)  # fmt: skip
NEAR = Near(TIMES_MS, 150, 0.4)


def many(steps: int = 40, **options: Any) -> Draw:
    values: dict[str, Any] = {"seed": 5, "batch_size": 500, "near": NEAR} | options
    parts = [draw(STARTS, LENGTHS, step=step, **values) for step in range(steps)]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "windows", "flips", "near")
    }
    views = [part.views for part in parts if part.views is not None]
    return Draw(**joined, views=np.concatenate(views) if views else None)


def neighbours(row: int, gap_ms: int) -> list[int]:
    """The other rows of a row's track within the gap, by comparing all."""
    track = int(np.searchsorted(STARTS, row, side="right")) - 1
    rows = range(STARTS[track], STARTS[track] + LENGTHS[track])
    if TIMES_MS[row] == UNKNOWN_MS:
        return []
    return [each for each in rows if each != row and abs(int(TIMES_MS[each]) - int(TIMES_MS[row])) <= gap_ms]


@pytest.mark.parametrize("gap_ms", [1, 99, 100, 150, 300, 5000])
@pytest.mark.parametrize("num_sources", [1, 2])
def test_exactly_the_frames_within_the_gap_are_drawn_all_equally_likely(gap_ms: int, num_sources: int) -> None:
    drawn = many(num_sources=num_sources, near=Near(TIMES_MS, gap_ms, 1.0))
    for row in np.unique(drawn.rows[:, 0]).tolist():
        own = drawn.at(drawn.rows[:, 0] == row)
        expected = neighbours(row, gap_ms)
        assert (own.near == (len(expected) >= num_sources)).all()
        if own.near.all():
            for source in range(1, num_sources + 1):
                counts = [int((own.rows[:, source] == each).sum()) for each in expected]
                assert sum(counts) == len(own.rows)
                assert len(counts) == 1 or chisquare(counts).pvalue > 1e-4
    assert all(len(set(rows)) == num_sources + 1 for rows in drawn.rows.tolist())


def test_the_share_is_that_of_the_targets_that_have_a_near_frame() -> None:
    drawn = many()
    can_be = np.array([bool(neighbours(row, 150)) for row in drawn.rows[:, 0].tolist()])
    assert not drawn.near[~can_be].any()
    num_near = int(drawn.near.sum())
    assert chisquare([num_near, can_be.sum() - num_near], [0.4 * can_be.sum(), 0.6 * can_be.sum()]).pvalue > 1e-4


def test_what_is_not_near_is_drawn_as_it_was_before() -> None:
    jitter = Jitter((0.85, 1.0), 0.08, True, 0.3, 0.2)
    drawn, plain = many(num_sources=2, jitter=jitter), many(num_sources=2, jitter=jitter, near=None)
    assert 0 < drawn.near.sum() < len(drawn.near)
    assert np.array_equal(drawn.rows[~drawn.near], plain.rows[~drawn.near])
    assert np.array_equal(drawn.rows[:, 0], plain.rows[:, 0])
    for name in ("windows", "flips", "views"):
        assert np.array_equal(getattr(drawn, name), getattr(plain, name))
    none = many(num_sources=2, jitter=jitter, near=NEAR._replace(share=0.0))
    assert np.array_equal(none.rows, plain.rows)


@pytest.mark.parametrize("world_size", [2, 4])
def test_the_global_batch_does_not_depend_on_the_number_of_processes(world_size: int) -> None:
    options: dict[str, Any] = {"seed": 0, "step": 5, "batch_size": 64, "near": NEAR, "people": np.array([0, 3, 5])}
    whole = draw(STARTS, LENGTHS, **options)
    parts = [draw(STARTS, LENGTHS, **options, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert whole.near.any()
    for name in ("rows", "windows", "flips", "near"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))


def test_people_are_equally_likely_then_their_tracks_then_frames() -> None:
    rows = many(near=None, people=np.array([0, 1, 4, 5])).rows  # one, three and one track
    track = np.searchsorted(STARTS, rows[:, 0], side="right") - 1
    shares = np.array([1, 1 / 3, 1 / 3, 1 / 3, 1]) / 3
    assert chisquare(np.bincount(track), shares * len(rows)).pvalue > 1e-4
    for each in range(5):
        frames = np.bincount(rows[track == each, 0] - STARTS[each], minlength=LENGTHS[each])
        assert chisquare(frames).pvalue > 1e-4
    assert (np.searchsorted(STARTS, rows[:, 1], side="right") - 1 == track).all()
    by_track = many(near=None).rows
    counts = np.bincount(np.searchsorted(STARTS, by_track[:, 0], side="right") - 1)
    assert chisquare(counts).pvalue > 1e-4


def test_frames_are_equally_likely_to_be_the_target() -> None:
    rows = many(near=None, frames=LENGTHS.cumsum()).rows
    assert chisquare(np.bincount(rows[:, 0])[np.bincount(rows[:, 0]) > 0]).pvalue > 1e-4
    expected = [row for start, length in zip(STARTS, LENGTHS, strict=True) for row in range(start, start + length)]
    assert np.unique(rows[:, 0]).tolist() == expected
    track = np.searchsorted(STARTS, rows[:, 0], side="right") - 1
    assert (np.searchsorted(STARTS, rows[:, 1], side="right") - 1 == track).all()


@pytest.mark.parametrize("by", ["people", "frames"])
def test_a_draw_from_ten_million_rows_needs_no_memory_of_their_size(by: str) -> None:
    num_tracks = 1_000_000
    starts, lengths = np.arange(num_tracks) * 10, np.full(num_tracks, 10)
    times_ms = np.tile(np.arange(10, dtype=np.int32) * 100, num_tracks)
    given = {"people": np.arange(0, num_tracks + 1, 4), "frames": lengths.cumsum()}[by]
    options: dict[str, Any] = {"batch_size": 64, "near": Near(times_ms, 150, 0.5), by: given}
    draw(starts, lengths, seed=0, step=0, **options)
    tracemalloc.start()
    drawn = draw(starts, lengths, seed=0, step=1, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert drawn.near.any()
    assert peak < 100_000


# In a store, and in training.


def a_store(path: Path, times_s: list[float | None], people: int = 3) -> TrackStore:
    """People with one, two and three tracks, and one more to validate on."""
    import cv2

    image = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))[1].tobytes()
    store = create_store(path, crop={"size": 32})
    for person in range(people + 1):
        video, split = f"v{people - person}", "train" if person < people else "val"
        rows = [
            Row(f"p{person}", video, str(track), frame, time_s, video, split, image)
            for track in range(person + 1)
            for frame, time_s in enumerate(times_s)
        ]
        entry = LedgerEntry(video, video, "ok", tracks=person + 1, rows=len(rows))
        store.append([rows_to_batch(rows)], [entry])
    return store


TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 8, "num_workers": 0,
    "validate_every": 4,
}  # fmt: skip


def test_times_and_people_are_read_from_a_store(tmp_path: Path) -> None:
    store = a_store(tmp_path / "s.lance", [0.0, 1 / 30, None, 1e9])
    assert frame_times_ms(store).tolist() == [0, 33, UNKNOWN_MS, UNKNOWN_MS] * 10
    assert frame_times_ms(store).dtype == np.int32
    assert store.people("train").tolist() == [0, 1, 3, 6]
    assert store.people().tolist() == [0, 1, 3, 6, 10]
    assert store.people("test").tolist() == [0, 0]
    index = store.index("train")
    assert index.identity[store.people("train")[:-1]].tolist() == ["p0", "p1", "p2"]


@pytest.mark.parametrize("by", ["person", "frame"])
def test_a_run_says_how_many_pairs_were_near_and_resumes_to_the_same_weights(tmp_path: Path, by: str) -> None:
    a_store(tmp_path / "s.lance", [0.0, 0.1, 5.0])
    options = TINY | {"pair_gap": 0.2, "near_share": 0.9, "draw": by}
    train(tmp_path / "s.lance", tmp_path / "whole", **options, max_steps=8)
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    shutil.rmtree(latest_checkpoint(tmp_path / "parts"))
    assert latest_checkpoint(tmp_path / "parts").name == "step-00000004"
    assert read_run(tmp_path / "parts")[0].pair_gap == 0.2
    train(tmp_path / "s.lance", tmp_path / "parts", resume=True)
    whole, parts = read_metrics(tmp_path / "whole"), read_metrics(tmp_path / "parts")
    shares = [row["near_share"] for row in whole]
    assert shares == [row["near_share"] for row in parts]
    assert np.mean(shares) == pytest.approx(0.9 * 2 / 3, abs=0.2)
    files = [latest_checkpoint(tmp_path / run) / "model.safetensors" for run in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_store_without_near_frames_is_refused(tmp_path: Path) -> None:
    a_store(tmp_path / "s.lance", [None, None, None])
    message = r"pair_gap 0\.5 applies to no frame: .* within 0\.5 s; leave pair_gap out, raise it"
    with pytest.raises(TrainingError, match=message):
        train(tmp_path / "s.lance", tmp_path / "run", **TINY, max_steps=1, pair_gap=0.5)


def test_a_run_of_an_earlier_fabnet_draws_as_it_did() -> None:
    content = preset("small").to_json()
    for name in ("draw", "pair_gap", "near_share"):
        del content[name]
    config = TrainConfig.from_json(content)
    assert (config.draw, config.pair_gap) == ("track", None)
