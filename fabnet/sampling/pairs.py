"""The sampler: the draw of step n is a pure function of (seed, n, rank, world size).

Source and target come from one track and are never the same frame. (With pairs from different clips of a person, the
network learns to match their colours.) Some pairs can be near in time, so that little but the expression differs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fabnet.store.frame_times import UNKNOWN_MS

__all__ = ["Draw", "Jitter", "Near", "draw", "draw_fixed"]

MAX_MARGIN = 0.25
"""Upper bound of a tight frame's margins, as a share of the image's side."""
ERASED_SIDES = (0.15, 0.5)
"""Range of the sides of an erased box, as shares of the image's side."""


class Jitter(NamedTuple):
    """How the inner window of a stored crop is varied in training.

    Attributes:
        scale_range: range of the window's side, drawn uniformly, as a share of its own side.
        max_shift: upper bound of the shift of the window's centre in x and in y, as a share of the window's side;
            None: as far as it stays inside the unmoved window (as in the authors' code).
        flip: whether to mirror half of the samples (target and sources together).
        recolour: strength of the change of the colours that the encoder sees, per image; see `Draw`.
        occlude: probability that the encoder sees an image in a tight frame, and that with a box erased; see `Draw`.
    """

    scale_range: tuple[float, float] = (1.0, 1.0)
    max_shift: float | None = 0.0
    flip: bool = False
    recolour: float = 0.0
    occlude: float = 0.0


class Near(NamedTuple):
    """How many samples have all their sources near the target in time.

    Attributes:
        times_ms: (rows of the store,) int32 time of each row, from `fabnet.store.frame_times`; ascending in a track.
        gap_ms: upper bound of the time between a target and each of its sources.
        share: share of the samples that are drawn so. A target with too few frames near it keeps its other sources.
    """

    times_ms: np.ndarray
    gap_ms: int
    share: float


class Draw(NamedTuple):
    """The samples of a step.

    Attributes:
        rows: (B, S + 1) int64 rows of the store, the target first.
        windows: (B, S + 1, 3) float32: shift of each frame's window in x and y, in shares of the window's side,
            and its scale.
        flips: (B,) bool, whether to mirror the sample.
        views: (B, S + 1, 13) float32, for `fabnet.objectives.views`; None: images stay unchanged. Gains of contrast,
            brightness and saturation in 1 +- `recolour`, a logarithm of gamma in +- `recolour`, and 1 for grey, with
            probability `recolour`, else 0. A frame, with probability `occlude` up to `MAX_MARGIN` inside the image on
            each side. A box in the image, with probability `occlude` of sides in `ERASED_SIDES`, else of zero size.
        near: (B,) bool, whether the sources were drawn near the target in time.
    """

    rows: np.ndarray
    windows: np.ndarray
    flips: np.ndarray
    views: np.ndarray | None
    near: np.ndarray

    def at(self, places: np.ndarray | slice) -> Draw:
        """The samples at these indices."""
        views = None if self.views is None else self.views[places]
        return Draw(self.rows[places], self.windows[places], self.flips[places], views, self.near[places])


def _distinct(generator: np.random.Generator, lengths: np.ndarray, count: int) -> np.ndarray:
    """`count` distinct whole numbers below n for each length n; all ordered choices are equally likely."""
    chosen = np.empty((len(lengths), count), dtype=np.int64)
    for k in range(count):
        value = generator.integers(0, lengths - k)
        for earlier in np.sort(chosen[:, :k], axis=1).T:
            value += value >= earlier
        chosen[:, k] = value
    return chosen


def _views(generator: np.random.Generator, shape: tuple[int, int], jitter: Jitter) -> np.ndarray:
    """How the encoder sees each image; see `Draw`."""
    gains = generator.uniform(1 - jitter.recolour, 1 + jitter.recolour, size=(*shape, 3))
    gamma = generator.uniform(-jitter.recolour, jitter.recolour, size=(*shape, 1))
    is_grey = generator.random((*shape, 1)) < jitter.recolour
    margins = generator.uniform(0, MAX_MARGIN, size=(*shape, 4)) * (generator.random((*shape, 1)) < jitter.occlude)
    frame = np.abs(margins - [0, 0, 1, 1])
    sides = generator.uniform(*ERASED_SIDES, size=(*shape, 2)) * (generator.random((*shape, 1)) < jitter.occlude)
    corner = generator.uniform(size=(*shape, 2)) * (1 - sides)
    return np.concatenate([gains, gamma, is_grey, frame, corner, corner + sides], axis=-1).astype(np.float32)


def _first_from(times_ms: np.ndarray, starts: np.ndarray, ends: np.ndarray, limits_ms: np.ndarray) -> np.ndarray:
    """Find the first row of each range whose time is at least the limit; its end where there is none."""
    low, high = starts, ends
    while (is_open := low < high).any():
        middle = np.minimum((low + high) // 2, len(times_ms) - 1)
        is_early = is_open & (times_ms[middle] < limits_ms)
        low = np.where(is_early, middle + 1, low)
        high = np.where(is_open & ~is_early, middle, high)
    return low


def _near_sources(
    generator: np.random.Generator, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, near: Near
) -> tuple[np.ndarray, np.ndarray]:
    """Give some samples other sources, near the target in time; every such choice is equally likely.

    Args:
        generator: what to draw with.
        rows: (B, S + 1) int64, the target first.
        starts: (B,) int64 first row of the target's track.
        ends: (B,) int64 row after its last.
        near: what is near, and how often.

    Returns:
        The rows, and (B,) bool, which samples have other sources now.
    """
    target, num_sources = rows[:, 0], rows.shape[1] - 1
    is_chosen = generator.random(len(rows)) < near.share
    times = near.times_ms[target].astype(np.int64)
    first = _first_from(near.times_ms, starts, target, times - near.gap_ms)
    after = _first_from(near.times_ms, target + 1, ends, times + near.gap_ms + 1)
    others = after - first - 1
    picked = first[:, None] + _distinct(generator, np.maximum(others, num_sources), num_sources)
    picked += picked >= target[:, None]
    is_near = is_chosen & (others >= num_sources) & (times != UNKNOWN_MS)
    rows = np.where(is_near[:, None], np.column_stack([target, picked]), rows)
    return rows, is_near


def draw(
    starts: np.ndarray,
    lengths: np.ndarray,
    *,
    seed: int,
    step: int,
    batch_size: int,
    num_sources: int = 1,
    jitter: Jitter | None = None,
    people: np.ndarray | None = None,
    frames: np.ndarray | None = None,
    near: Near | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Draw:
    """Draw the samples of a step: tracks with replacement, frames of a track without replacement.

    Every process draws the same global batch and takes its share, so the batch does not depend on their number.
    `near` changes the sources of the samples that it concerns, and nothing else.

    Args:
        starts: (tracks,) int64 first row of each track.
        lengths: (tracks,) int64 rows of each track, each more than `num_sources`.
        seed: seed of the run.
        step: from 0.
        batch_size: B over all processes.
        num_sources: S.
        jitter: variation of the windows; None: none.
        people: (people + 1,) int64, where the tracks of each person begin, and the number of tracks: a person is drawn
            uniformly, then one of their tracks. With neither this nor `frames`, a track is drawn uniformly.
        frames: (tracks,) int64, the number of frames up to the end of each track: each frame is as likely to be the
            target as any other.
        near: which samples have sources near the target in time; None: sources are drawn from the whole track.
        rank: rank of this process.
        world_size: number of processes; divides `batch_size`.

    Returns:
        This process's share of the batch.

    Raises:
        ValueError: a track is too short, there are no tracks, or `world_size` does not divide `batch_size`.
    """
    if len(lengths) == 0 or lengths.min() <= num_sources:
        raise ValueError(f"every track needs {num_sources + 1} frames or more, and there must be at least one track")
    if batch_size % world_size:
        raise ValueError(f"{world_size} processes cannot share a batch of {batch_size} evenly")
    jitter = jitter or Jitter()
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, step], dtype=np.uint64)))
    if frames is not None:
        tracks = np.searchsorted(frames, generator.integers(0, frames[-1], size=batch_size), side="right")
    elif people is None:
        tracks = generator.integers(0, len(starts), size=batch_size)
    else:
        person = generator.integers(0, len(people) - 1, size=batch_size)
        tracks = generator.integers(people[person], people[person + 1])
    rows = starts[tracks][:, None] + _distinct(generator, lengths[tracks], num_sources + 1)

    shape = (batch_size, num_sources + 1)
    scale = generator.uniform(*jitter.scale_range, size=shape)
    reach = (1 - scale) / 2 if jitter.max_shift is None else np.full(shape, jitter.max_shift)
    shift_x = generator.uniform(-1, 1, size=shape) * reach
    shift_y = generator.uniform(-1, 1, size=shape) * reach
    windows = np.stack([shift_x, shift_y, scale], axis=-1).astype(np.float32)
    flips = (generator.random(batch_size) < 0.5) & jitter.flip
    views = _views(generator, shape, jitter) if jitter.recolour or jitter.occlude else None

    is_near = np.zeros(batch_size, dtype=bool)
    if near is not None:
        begin = starts[tracks]
        rows, is_near = _near_sources(generator, rows, begin, begin + lengths[tracks], near)

    per_rank = batch_size // world_size
    mine = slice(rank * per_rank, (rank + 1) * per_rank)
    return Draw(rows, windows, flips, views, is_near).at(mine)


def draw_fixed(starts: np.ndarray, lengths: np.ndarray, *, num_samples: int, num_sources: int = 1) -> Draw:
    """Draw the validation samples of a run: always the same ones, spread evenly over all tracks.

    Args:
        starts: (tracks,) int64 first row of each track.
        lengths: (tracks,) int64 rows of each track, each more than `num_sources`.
        num_samples: number of samples.
        num_sources: S.

    Returns:
        `num_samples` samples with unmoved windows and no flip; tracks take turns.
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([2018, 0], dtype=np.uint64)))
    turns = np.resize(generator.permutation(len(starts)), num_samples)
    rows = starts[turns][:, None] + _distinct(generator, lengths[turns], num_sources + 1)
    windows = np.zeros((num_samples, num_sources + 1, 3), dtype=np.float32)
    windows[..., 2] = 1.0
    still = np.zeros(num_samples, dtype=bool)
    return Draw(rows, windows, still, None, still)
