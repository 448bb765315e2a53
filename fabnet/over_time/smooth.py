"""Filters without delay for curves with uneven times.

Letters: N rows, C curves, K rows in a window.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["centred_mean", "local_quadratic", "runs"]

ROWS_AT_ONCE = 4096
TOLERANCE = 1e-6
"""Seconds by which times may be rounded."""


def runs(times: np.ndarray, is_readable: np.ndarray, max_gap: float) -> list[np.ndarray]:
    """Split a track into runs of readable rows without a long gap.

    Args:
        times: (N,) seconds, rising.
        is_readable: (N,) bool.
        max_gap: upper bound of the seconds from one row of a run to the next.

    Returns:
        Indices of the rows of each run.
    """
    rows = np.flatnonzero(is_readable)
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(times[rows]) > max_gap + TOLERANCE) + 1)


def local_quadratic(times: np.ndarray, values: np.ndarray, window: float) -> np.ndarray:
    """Savitzky-Golay's filter of order 2: at each time the value of the parabola that fits the window around it.

    With even times this is Savitzky and Golay's filter. At the ends of a run the window has fewer rows, and the fit
    looks to one side. Where a window has three rows or fewer, values stay as they are.

    Args:
        times: (N,) seconds, rising.
        values: (N, C).
        window: length in seconds, half before and half after.

    Returns:
        (N, C) float64.
    """
    smoothed = np.array(values, np.float64)
    for rows, near, is_near in _windows(times, np.full(len(times), window / 2)):
        offsets = np.where(is_near, (times[near] - times[rows, None]) / (window / 2), 0)
        powers = np.stack([is_near.astype(float), offsets, offsets**2], axis=-1)
        weights = np.linalg.pinv(powers)[:, 0]
        fitted = np.einsum("nk,nkc->nc", weights, _at(values, near))
        smoothed[rows] = np.where(is_near.sum(axis=1)[:, None] > 3, fitted, values[rows])
    return smoothed


def centred_mean(times: np.ndarray, values: np.ndarray, window: float) -> np.ndarray:
    """The mean over a window, which at the ends of a run shrinks on both sides alike, so that nothing is delayed.

    Means of probabilities stay in [0, 1], and keep their sum.

    Args:
        times: (N,) seconds, rising.
        values: (N, C).
        window: length in seconds.

    Returns:
        (N, C) float64.
    """
    averaged = np.empty(values.shape, np.float64)
    for rows, near, is_near in _windows(times, _symmetric(times, window)):
        share = is_near / is_near.sum(axis=1, keepdims=True)
        averaged[rows] = np.einsum("nk,nkc->nc", share, _at(values, near))
    return averaged


def _at(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(N, C) values at (N, K) rows: (N, K, C) float64."""
    return np.asarray(np.asarray(values, np.float64)[near])


def _symmetric(times: np.ndarray, window: float) -> np.ndarray:
    """(N,) half-windows that reach as far before as after."""
    return np.asarray(np.minimum(window / 2, np.minimum(times - times[0], times[-1] - times)))


def _windows(times: np.ndarray, half: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Some rows at a time: their indices (n,), those of the rows near each (n, K), and which of these count."""
    first = np.searchsorted(times, times - half - TOLERANCE)
    end = np.searchsorted(times, times + half + TOLERANCE, side="right")
    for start in range(0, len(times), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(times)))
        near = first[rows, None] + np.arange(int((end[rows] - first[rows]).max()))
        is_near = near < end[rows, None]
        yield rows, np.where(is_near, near, rows[:, None]), is_near
