"""The settings of pairs near in time, and whether a store has such pairs."""

from __future__ import annotations

import numpy as np

from fabnet.errors import TrainingError
from fabnet.sampling.pairs import Near, draw
from fabnet.store.frame_times import frame_times_ms
from fabnet.store.track_store import TrackStore
from fabnet.training.config import TrainConfig

__all__ = ["near_pairs"]

TRIAL = 4096
"""Frames that are drawn to find out whether a store has pairs near in time."""


def near_pairs(store: TrackStore, config: TrainConfig, starts: np.ndarray, lengths: np.ndarray) -> Near | None:
    """Settings of pairs near in time; None without `pair_gap`.

    Args:
        store: the track store.
        config: the run's configuration.
        starts: (tracks,) int64 first row of each track of the training.
        lengths: (tracks,) int64 rows of each track.

    Raises:
        TrainingError: the store has no such pair.
    """
    gap_s = config.pair_gap
    if gap_s is None:
        return None
    near = Near(frame_times_ms(store), round(1000 * gap_s), config.near_share)
    trial = draw(
        starts, lengths, seed=0, step=0, batch_size=TRIAL, num_sources=config.sources, near=near._replace(share=1.0)
    )
    if not trial.near.any():
        raise TrainingError(
            f"pair_gap {gap_s} applies to no frame: of {TRIAL} frames drawn from {store.path}, none has "
            f"{config.sources} more of its track within {gap_s} s; leave pair_gap out, raise it, or track the "
            "videos with a higher --fps (folders of frames have no times)"
        )
    return near
