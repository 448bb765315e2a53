"""`fabnet.synchrony`: how closely one person follows another over time, and how closely by chance.

Letters: N values on a common grid of times, L lags, W windows, S shifts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError
from fabnet.options import takes
from fabnet.over_time.options import SynchronyOptions
from fabnet.over_time.readings import is_readable, numbers, quantities, readings

__all__ = ["synchrony"]

LEAST_SHARE = 0.8
"""Share of a window's values that must be there."""
LONGEST_BRIDGED_S = 0.25
SMALLEST_SPREAD = 1e-6
LEVEL = 0.95


@takes(SynchronyOptions)
def synchrony(
    table: pa.Table | str | Path, first: str, second: str, options: SynchronyOptions | None = None, **changes: Any
) -> pa.Table:
    """Compare one quantity of two people in windows of time, at several lags.

    In each window the two courses are correlated (Pearson) at each lag up to `max_lag`; the largest correlation in size
    counts. The same is done after the second person's course was shifted circularly by random times of at least a
    window, which leaves nothing but chance.

    Args:
        table: what `read` or `courses` returned or wrote.
        first: the first person, as in the column `person`. `SOURCE:PERSON` takes the person of one file.
        second: the second; of the same file, or of another one that was recorded in step.
        options: how; the keywords below change single ones.

    Returns:
        One row per window: `start_s`, `end_s`, `r` (the largest correlation in size), `lag_s` (positive: the second
        person follows the first), `r_without_lag`, `r_by_chance` (95 % of the shifted ones are smaller in size) and
        `is_above_chance`. The metadata have `fabnet.synchrony.mean_r` (mean size of r), `mean_r_by_chance` and `p`: the
        share of shifts whose mean is as large. It is never below `smallest_p`, which counts only shifts a window apart
        from each other: a short recording has few of these.

    Raises:
        InputError: a person or column is missing, or the time that both share is too short.
    """
    options = SynchronyOptions.of(options, changes)
    read = readings(table)
    if options.quantity not in quantities(read.schema):
        raise InputError(f"there is no column {options.quantity}; there is {', '.join(quantities(read.schema))}")
    curves = [_curve(read, name, options.quantity) for name in (first, second)]
    grid = _grid(curves, options)
    one, other = (_on_grid(*curve, grid) for curve in curves)
    lags = np.arange(-round(options.max_lag * options.rate), round(options.max_lag * options.rate) + 1)
    length, step = round(options.span * options.rate), max(1, round(options.step * options.rate))
    starts = np.arange(0, len(grid) - length + 1, step)
    by_lag = _correlations(one, other, lags, starts, length)
    peak, at = _peaks(by_lag)
    if np.isnan(peak).all():
        raise InputError(
            f"{first} and {second} share no window of {options.span} s in which {options.quantity} of both is readable "
            "and changes: give a shorter --span"
        )
    chance = _by_chance(one, other, lags, starts, length, options)
    level = float(np.nanquantile(np.abs(chance), LEVEL)) if np.isfinite(chance).any() else np.nan
    means, mean = _mean_size(chance), float(np.nanmean(np.abs(peak)))
    means = means[np.isfinite(means)]
    apart = 1 + (len(other) - 2 * (length + int(lags[-1]))) // length
    smallest = 1 / (1 + min(apart, options.shifts))
    share = max(smallest, (1 + int((means >= mean).sum())) / (1 + len(means)))
    times = grid[starts]
    columns = {
        "first": [first] * len(starts), "second": [second] * len(starts), "quantity": [options.quantity] * len(starts),
        "start_s": times, "end_s": times + options.span,
        "r": _nulls(peak), "lag_s": _nulls(lags[at] / options.rate, peak),
        "r_without_lag": _nulls(by_lag[len(lags) // 2]), "r_by_chance": _nulls(np.full(len(starts), level)),
        "is_above_chance": pa.array(np.abs(peak) > level, mask=np.isnan(peak) | np.isnan(level)),
    }  # fmt: skip
    about = {
        "options": repr(options), "mean_r": f"{mean:.4f}", "p": f"{share:.4f}", "smallest_p": f"{smallest:.4f}",
        "mean_r_by_chance": f"{float(means.mean()) if len(means) else np.nan:.4f}",
    }  # fmt: skip
    made = pa.table(columns)
    former = {key.decode(): value.decode() for key, value in (read.schema.metadata or {}).items()}
    return made.replace_schema_metadata(former | {f"fabnet.synchrony.{name}": text for name, text in about.items()})


def _nulls(values: np.ndarray, like: np.ndarray | None = None) -> pa.Array:
    return pa.array(values, mask=np.isnan(values if like is None else like))


def _curve(table: pa.Table, name: str, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a person's readable frames."""
    sources, people = table.column("source").to_pylist(), table.column("person").to_pylist()
    readable = is_readable(table) & np.isfinite(numbers(table, "time_s")) & np.isfinite(numbers(table, quantity))
    is_own = np.array([person == name for person in people])
    if not is_own.any():
        is_own = np.array([f"{source}:{person}" == name for source, person in zip(sources, people, strict=True)])
    if not is_own.any():
        known = list(dict.fromkeys(person for person in people if person is not None))
        shown = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
        raise InputError(f"there is no person {name!r}; there is {shown or 'nobody'}")
    files = list(dict.fromkeys(source for source, own in zip(sources, is_own, strict=True) if own))
    if len(files) > 1:
        raise InputError(
            f"{name} is in {len(files)} files ({files[0]}, {files[1]} ...): choose one as {files[0]}:{name}"
        )
    rows = np.flatnonzero(is_own & readable)
    times, values = numbers(table, "time_s")[rows], numbers(table, quantity)[rows]
    times, at = np.unique(times, return_index=True)  # one face per frame
    if len(times) < 2:
        raise InputError(f"{name} has {len(times)} readable frames of {quantity} with a time; expected at least two")
    return times, values[at]


def _grid(curves: list[tuple[np.ndarray, np.ndarray]], options: SynchronyOptions) -> np.ndarray:
    """Common times at an even rate."""
    start, end = max(times[0] for times, _ in curves), min(times[-1] for times, _ in curves)
    least = 2 * options.span + 2 * options.max_lag
    if end - start < least - 1e-6:
        raise InputError(
            f"both people are seen together for {max(end - start, 0):.1f} s; windows of {options.span} s need "
            f"{least:g} s for a chance level: give a shorter --span"
        )
    return np.arange(start, end + 0.5 / options.rate, 1 / options.rate)


def _on_grid(times: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Values at the times of the grid by straight lines; NaN in gaps, and further than a usual step from any value."""
    longest = max(LONGEST_BRIDGED_S, 1.5 * float(np.median(np.diff(times))))
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    found = np.interp(grid, times, values, left=np.nan, right=np.nan)
    return np.where(times[after] - times[after - 1] <= longest, found, np.nan)


def _correlations(one: np.ndarray, other: np.ndarray, lags: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """(L, W) correlations of `one` with `other` that many steps later; NaN where too little is there."""
    one, other = one - np.nanmean(one), other - np.nanmean(other)
    most = int(lags[-1])
    padded = np.concatenate([np.full(most, np.nan), other, np.full(most, np.nan)])
    moved = np.lib.stride_tricks.sliding_window_view(padded, len(other))  # (L, N)
    both = np.isfinite(one) & np.isfinite(moved)
    x, y = np.where(both, one, 0), np.where(both, moved, 0)
    count, sx, sy, xx, yy, xy = (_windowed(each, starts, length) for each in (both, x, y, x * x, y * y, x * y))
    with np.errstate(invalid="ignore", divide="ignore"):
        across = xx - sx**2 / count, yy - sy**2 / count
        fine = (count >= LEAST_SHARE * length) & (np.minimum(*across) > count * SMALLEST_SPREAD**2)
        found = np.where(fine, (xy - sx * sy / count) / np.sqrt(across[0] * across[1]), np.nan)
    return np.asarray(np.clip(found, -1, 1))


def _windowed(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """(L, N) values to (L, W) sums over windows."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total = np.pad(total, ((0, 0), (1, 0)))
    return np.asarray(total[:, starts + length] - total[:, starts])


def _peaks(by_lag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The correlation that is largest in size in each window, and its place among the lags."""
    at = np.where(np.isnan(by_lag), -1, np.abs(by_lag)).argmax(axis=0)
    return np.asarray(by_lag[at, np.arange(by_lag.shape[1])]), at


def _by_chance(
    one: np.ndarray, other: np.ndarray, lags: np.ndarray, starts: np.ndarray, length: int, options: SynchronyOptions
) -> np.ndarray:
    """(S, W) largest correlations with the second person's course shifted circularly."""
    least = length + int(lags[-1])
    amounts = np.random.default_rng(options.seed).integers(least, len(other) - least + 1, options.shifts)
    return np.stack([_peaks(_correlations(one, np.roll(other, amount), lags, starts, length))[0] for amount in amounts])


def _mean_size(chance: np.ndarray) -> np.ndarray:
    """(S, W) to the mean size of each shift; NaN where no window is there."""
    count = np.isfinite(chance).sum(axis=1)
    return np.asarray(np.where(count > 0, np.nansum(np.abs(chance), axis=1) / np.maximum(count, 1), np.nan))
