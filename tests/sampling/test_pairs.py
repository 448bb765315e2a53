"""The sampler is a pure function with the documented distribution."""

from __future__ import annotations

import numpy as np
import pytest

from fabnet.sampling.pairs import MAX_MARGIN, Jitter, draw, draw_fixed

STARTS, LENGTHS = np.array([0, 5, 7, 20]), np.array([5, 2, 13, 3])
JITTER = Jitter((0.85, 1.0), 0.08, True)


def test_the_same_step_draws_the_same() -> None:
    first, again = (draw(STARTS, LENGTHS, seed=3, step=11, batch_size=32, jitter=JITTER) for _ in range(2))
    other = draw(STARTS, LENGTHS, seed=3, step=12, batch_size=32, jitter=JITTER)
    for a, b in zip(first[:3], again[:3], strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first.rows, other.rows)


@pytest.mark.parametrize("world_size", [2, 4])
def test_the_global_batch_does_not_depend_on_the_number_of_processes(world_size: int) -> None:
    whole = draw(STARTS, LENGTHS, seed=0, step=5, batch_size=16, jitter=JITTER)
    parts = [
        draw(STARTS, LENGTHS, seed=0, step=5, batch_size=16, jitter=JITTER, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for name in ("rows", "windows", "flips"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))


@pytest.mark.parametrize("num_sources", [1, 2])
def test_frames_of_a_sample_differ_and_share_a_track(num_sources: int) -> None:
    lengths = np.maximum(LENGTHS, 3)
    starts = np.array([0, 10, 20, 40])
    rows = np.concatenate(
        [draw(starts, lengths, seed=1, step=step, batch_size=64, num_sources=num_sources).rows for step in range(50)]
    )
    track = np.searchsorted(starts, rows, side="right") - 1
    assert (track == track[:, :1]).all()
    assert (rows - starts[track] < lengths[track]).all()
    assert all(len(set(row)) == num_sources + 1 for row in rows.tolist())


def test_every_ordered_pair_of_a_track_is_equally_likely() -> None:
    rows = draw(np.array([0]), np.array([4]), seed=0, step=0, batch_size=24_000).rows
    counts = np.zeros((4, 4))
    np.add.at(counts, (rows[:, 0], rows[:, 1]), 1)
    assert (np.diag(counts) == 0).all()
    assert np.abs(counts[~np.eye(4, dtype=bool)] / 2000 - 1).max() < 0.1


def test_windows_stay_in_their_ranges() -> None:
    drawn = draw(STARTS, LENGTHS, seed=0, step=0, batch_size=4096, jitter=JITTER)
    assert 0.85 <= drawn.windows[..., 2].min() < 0.86 < 0.99 < drawn.windows[..., 2].max() <= 1
    assert 0.07 < np.abs(drawn.windows[..., :2]).max() <= 0.0801
    assert 0.45 < drawn.flips.mean() < 0.55
    inside = draw(STARTS, LENGTHS, seed=0, step=0, batch_size=4096, jitter=Jitter((0.8, 1.0), None)).windows
    assert (np.abs(inside[..., :2]) <= (1 - inside[..., 2:]) / 2 + 1e-6).all()


def test_tracks_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="every track needs 3 frames or more"):
        draw(STARTS, LENGTHS, seed=0, step=0, batch_size=4, num_sources=2)
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 4 evenly"):
        draw(STARTS, LENGTHS, seed=0, step=0, batch_size=4, world_size=3)


def test_the_validation_pairs_are_fixed_and_spread_evenly() -> None:
    first, again = (draw_fixed(STARTS, LENGTHS, num_samples=10) for _ in range(2))
    assert np.array_equal(first.rows, again.rows)
    counts = np.bincount(np.searchsorted(STARTS, first.rows[:, 0], side="right") - 1)
    assert counts.max() - counts.min() <= 1
    assert (first.windows == [0, 0, 1]).all()
    assert not first.flips.any()


def test_recolouring_is_drawn_for_each_image_and_changes_nothing_else() -> None:
    starts, lengths = np.arange(0, 500, 5), np.full(100, 5)
    plain = draw(starts, lengths, seed=1, step=2, batch_size=400)
    made = draw(starts, lengths, seed=1, step=2, batch_size=400, jitter=Jitter(recolour=0.3))
    assert plain.views is None
    assert made.views is not None
    assert np.array_equal(plain.rows, made.rows)
    gains, gamma, grey = made.views[..., :3], made.views[..., 3], made.views[..., 4]
    assert made.views.shape == (400, 2, 13)
    assert gains.min() >= 0.7
    assert gains.max() <= 1.3
    assert gains.std() == pytest.approx(0.6 / 12**0.5, rel=0.05)
    assert abs(gamma).max() <= 0.3
    assert 0.25 < grey.mean() < 0.35
    assert not np.array_equal(made.views[:, 0], made.views[:, 1])
    assert np.array_equal(np.unique(made.views[..., 5:9].reshape(-1, 4), axis=0), [[0, 0, 1, 1]])
    assert np.array_equal(made.views[..., 9:11], made.views[..., 11:])
    for rank in range(2):
        part = draw(
            starts, lengths, seed=1, step=2, batch_size=400, jitter=Jitter(recolour=0.3), rank=rank, world_size=2
        ).views
        assert part is not None
        assert np.array_equal(part, made.views[200 * rank : 200 * (rank + 1)])


def test_frames_and_erased_boxes_lie_in_the_image_and_have_the_given_probability() -> None:
    starts, lengths = np.arange(0, 500, 5), np.full(100, 5)
    made = draw(starts, lengths, seed=1, step=2, batch_size=2000, jitter=Jitter(occlude=0.4))
    assert made.views is not None
    colours, frames, boxes = made.views[..., :5], made.views[..., 5:9], made.views[..., 9:]
    assert np.array_equal(np.unique(colours.reshape(-1, 5), axis=0), [[1, 1, 1, 0, 0]])
    is_tight = (frames != [0, 0, 1, 1]).any(axis=-1)
    assert is_tight.mean() == pytest.approx(0.4, abs=0.03)
    assert (abs(frames - [0, 0, 1, 1]) <= MAX_MARGIN).all()
    sides = boxes[..., 2:] - boxes[..., :2]
    is_erased = (sides > 0).all(axis=-1)
    assert is_erased.mean() == pytest.approx(0.4, abs=0.03)
    assert ((sides[is_erased] >= 0.149) & (sides[is_erased] <= 0.501)).all()
    assert (boxes >= 0).all()
    assert (boxes <= 1).all()
    assert abs(np.corrcoef(is_tight.ravel(), is_erased.ravel())[0, 1]) < 0.06


def test_draws_are_those_of_earlier_runs() -> None:
    starts, lengths = np.array([0, 5, 7, 20]), np.array([5, 3, 13, 4])
    jitter = Jitter((0.85, 1.0), 0.08, True, 0.3, 0.2)
    drawn = draw(starts, lengths, seed=3, step=11, batch_size=6, num_sources=2, jitter=jitter, rank=1, world_size=2)
    assert drawn.rows.tolist() == [[21, 23, 22], [0, 2, 1], [2, 4, 1]]
    assert drawn.flips.tolist() == [False, False, True]
    assert drawn.windows[1, 1] == pytest.approx([0.052692, 0.010424, 0.851941], abs=1e-6)
    assert drawn.views is not None
    assert drawn.views[0, 0, :4] == pytest.approx([0.990614, 1.222879, 1.167268, 0.137188], abs=1e-6)
    assert float(drawn.views.sum()) == pytest.approx(63.815086, abs=1e-4)
    assert not drawn.near.any()
    late = draw(starts, lengths, seed=7, step=2**40, batch_size=8).rows
    assert late.tolist() == [[23, 21], [5, 7], [3, 0], [14, 12], [12, 7], [20, 21], [17, 18], [7, 5]]
    fixed = draw_fixed(starts, lengths, num_samples=6).rows
    assert fixed.tolist() == [[6, 5], [19, 10], [20, 22], [0, 2], [7, 5], [15, 16]]


def test_without_jitter_windows_stay_and_nothing_is_mirrored() -> None:
    made = draw(STARTS, LENGTHS, seed=0, step=0, batch_size=256, jitter=Jitter())
    assert np.array_equal(made.windows.reshape(-1, 3), np.tile([0.0, 0.0, 1.0], (512, 1)))
    assert not made.flips.any()
    assert made.views is None
