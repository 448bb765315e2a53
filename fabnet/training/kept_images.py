"""The decoded images of a run: where they are kept, how many may be, and which process makes the file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fabnet.faces.window import Window
from fabnet.files.places import workplace
from fabnet.sampling.decoded import DecodedImages, decoded_images
from fabnet.store.track_store import TrackStore
from fabnet.training.config import TrainConfig
from fabnet.training.processes import Processes, gather, wait_for_all

__all__ = ["kept_images"]


@contextmanager
def kept_images(
    store: TrackStore, run: Path, config: TrainConfig, window: Window, me: Processes
) -> Iterator[DecodedImages | None]:
    """Keep the decoded images of a run in a file on each machine, if they fit; the first process says so.

    Args:
        store: the track store.
        run: the run folder.
        config: the run's configuration.
        window: the inner window before it is moved.
        me: this process among those of the run.

    Yields:
        The kept images; None: there is no file.
    """
    folder, maker = workplace(run) / "_frames", me.rank - me.local_rank
    if me.is_first:  # which has locked the run, so that these are files of killed runs
        shutil.rmtree(folder, ignore_errors=True)
    wait_for_all()

    def what_the_maker_said(is_made: bool) -> bool:
        return bool(gather(torch.tensor([is_made]))[maker])

    whole = config.input_size / window.side
    scales = (config.jitter_scale_min, config.jitter_scale_max, 1.0)  # 1 for validation
    with decoded_images(
        folder / f"{maker}", num_rows=store.num_rows,
        side=store.crop.get("size"), min_sides=[whole / scale for scale in scales],
        limit_bytes=int(config.decoded_gb * 1e9), num_machines=-(-me.world_size // me.local_world_size),
        is_maker=me.local_rank == 0, agree=what_the_maker_said, is_silent=not me.is_first,
    ) as images:  # fmt: skip
        yield images
        if images is not None:
            images.close()
        wait_for_all()  # Windows removes no file that another process still maps
