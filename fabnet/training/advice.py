"""What a run's data and its result mean for the encoder, in a line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fabnet.store.split import MOMENTS
from fabnet.store.track_store import TrackStore
from fabnet.training.config import TrainConfig

__all__ = ["HARDLY", "data_notes", "result_notes", "share_notes"]

HARDLY = 0.97
"""Share of the unwarped source's loss above which a network has hardly learned to warp."""
FEW_VIDEOS = 2
FEW_VAL_PEOPLE = 5
MANY_TRACKS = 10_000
"""Number of tracks beyond which a store's names are not read: it does not have few videos."""
LEAST_SAMPLES = 8
"""Samples that a process on CUDA should get at least: fewer take a GPU less time than queueing a step takes."""


def data_notes(store: TrackStore, config: TrainConfig) -> list[str]:
    """What can be said of a run's data before it starts.

    Args:
        store: the track store.
        config: the run's configuration.

    Returns:
        A line each for few videos or a single person, few people in validation, and fewer tracks than samples in a
        batch; empty if the data are plentiful.
    """
    least = config.sources + 1
    first_tracks, first_val_tracks = (store.people(split, least) for split in ("train", "val"))
    people, held_out, tracks = len(first_tracks) - 1, len(first_val_tracks) - 1, int(first_tracks[-1])
    is_moments = store.settings.get("splits") == MOMENTS
    notes = []
    if tracks <= MANY_TRACKS:
        videos = len(np.unique(store.index("train", least).video))
        if videos <= FEW_VIDEOS or people == 1:
            of = _many(videos, "video")
            if store.settings.get("identities") != "video":  # otherwise each track counts as a person
                of = f"{_many(people, 'person', 'people')} in {of}"
            notes.append(
                f"training has only {of}: the encoder will know these faces, and is not likely to work on others; "
                "track more videos, of more people, or use the encoder that ships (small)"
            )
    if not is_moments and held_out < FEW_VAL_PEOPLE:
        notes.append(
            f"validation is on {_many(held_out, 'person', 'people')}: its loss says little about others, and which "
            "checkpoint is best is partly chance; track videos of more people, or choose with --splits"
        )
    if tracks < config.batch_size:
        smaller = max(8, 2 ** int(np.log2(max(tracks, 1))))
        instead = f" or give --batch-size {smaller}" if smaller < config.batch_size else ""
        notes.append(
            f"a batch of {config.batch_size} is drawn from only {_many(tracks, 'track')} of {least} frames or more, so "
            f"each is in it several times: track more videos, more frames of them (--fps){instead}"
        )
    return notes


def share_notes(batch_size: int, device: str, *, processes: int) -> list[str]:
    """What can be said of how processes share a batch.

    The result is the same as with one, because batch-norm and curriculum see the global batch; sharing only costs time.

    Args:
        batch_size: samples per step, over all processes.
        device: type of the device, "cpu" or "cuda".
        processes: processes of the run.

    Returns:
        A line if a batch is spread over too many CUDA devices; else nothing.
    """
    share = batch_size // processes
    if device != "cuda" or processes == 1 or share >= LEAST_SAMPLES:
        return []
    few = max(1, batch_size // LEAST_SAMPLES)
    fewer = "one process" if few == 1 else f"{few} processes"
    return [
        f"{processes} GPUs share a batch of {batch_size}, {share} for each, and will mostly wait for each other: start "
        f"{fewer}, or train otherwise (--batch-size {processes * LEAST_SAMPLES} or more, with a --learning-rate for it)"
    ]


def result_notes(training: Mapping[str, Any]) -> list[str]:
    """What can be said of a run at its end.

    Args:
        training: the facts in the card of its best checkpoint: `val_loss`, `val_loss_unwarped`, `steps`.

    Returns:
        A line if it is worse than, or hardly better than, the unwarped source; else nothing.
    """
    loss, unwarped = training.get("val_loss"), training.get("val_loss_unwarped")
    if loss is None or unwarped is None or loss <= HARDLY * unwarped:
        return []
    how = "worse than" if loss > unwarped else "hardly better than"
    return [
        f"the validation loss, {loss:.4f}, is {how} that of the unwarped source, {unwarped:.4f}: the network has "
        f"learned hardly anything useful in {training.get('steps', 0):,} steps; train longer, look at the tracks in "
        "fabnet report, or start from an encoder that ships (--init small)"
    ]


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
