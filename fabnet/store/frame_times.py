"""The time of each row of a store, as one NumPy array."""

from __future__ import annotations

import numpy as np

from fabnet.store.track_store import TrackStore

__all__ = ["UNKNOWN_MS", "frame_times_ms"]

UNKNOWN_MS = int(np.iinfo(np.int32).min)
"""Marks an unknown time."""
LATEST_MS = np.iinfo(np.int32).max // 2
"""Latest time (12 days); later ones count as unknown."""
ROWS_AT_ONCE = 65_536


def frame_times_ms(store: TrackStore) -> np.ndarray:
    """Read the time of every row (4 bytes per row in memory).

    Returns:
        (rows,) int32 milliseconds from the start of the row's video; `UNKNOWN_MS` if the time is unknown.

    Raises:
        StoreError: the store is corrupt.
    """
    times = np.full(store.num_rows, UNKNOWN_MS, dtype=np.int32)
    first = 0
    for batch in store.batches(["time_s"], batch_rows=ROWS_AT_ONCE):
        found = np.rint(1000 * batch.column("time_s").to_numpy(zero_copy_only=False).astype(np.float64))
        times[first : first + len(found)] = np.where(np.abs(found) <= LATEST_MS, found, UNKNOWN_MS)
        first += len(found)
    return times
