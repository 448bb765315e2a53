"""The loader: loads the frames of training steps in worker processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing import parent_process
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fabnet.errors import FabnetError, InputError, StoreError, TrainingError, first_line
from fabnet.faces.window import Window, decode_jpeg, view
from fabnet.runtime.children import starting
from fabnet.runtime.interrupts import STOPS
from fabnet.sampling.decoded import DecodedImages
from fabnet.sampling.pairs import Draw, Jitter, Near, draw

__all__ = ["ImageSource", "TrainingSteps", "frames_of", "next_frames", "step_loader", "worker_deaths"]


BATCHES_AHEAD = 4
"""Batches that are loaded ahead, over all workers; each worker loads two ahead at least. They wait in shared memory."""


class ImageSource(Protocol):
    """Where encoded images come from: a track store. It must be picklable, for spawned workers."""

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        """Give the encoded images of these rows, in this order; a row may be repeated."""


def frames_of(
    drawn: Draw, images: ImageSource, *, window: Window, size: int, kept: DecodedImages | None = None
) -> np.ndarray:
    """Read, decode and crop the frames of a draw.

    Args:
        drawn: the draw.
        images: source of the encoded images.
        window: the inner window before it is moved.
        size: side of a frame in pixels.
        kept: images that were decoded before; new ones are added. The frames are the same with and without.

    Returns:
        (B, S + 1, size, size, 3) uint8 RGB, the target first.

    Raises:
        StoreError: an image is corrupt.
    """
    frames = np.empty((drawn.rows.size, size, size, 3), dtype=np.uint8)
    windows = [window.moved(*numbers) for numbers in drawn.windows.reshape(-1, 3).tolist()]
    flips = np.repeat(drawn.flips, drawn.rows.shape[1]).tolist()
    decoded = _decoded(drawn.rows.reshape(-1).tolist(), [size / each.side for each in windows], images, kept)
    for image, moved, flip, frame in zip(decoded, windows, flips, frames, strict=True):
        cv2.cvtColor(view(image, moved, size, flip=flip), cv2.COLOR_BGR2RGB, dst=frame)
    return frames.reshape(*drawn.rows.shape, size, size, 3)


def _decoded(
    rows: list[int], min_sides: list[float], images: ImageSource, kept: DecodedImages | None
) -> Iterator[np.ndarray]:
    """Decode rows, each as `decode_jpeg` does for its `min_side`; those that were kept are not read."""
    found = [None if kept is None else kept.get(*each) for each in zip(rows, min_sides, strict=True)]
    encoded = iter(images.read_images([row for row, image in zip(rows, found, strict=True) if image is None]))
    for row, min_side, image in zip(rows, min_sides, found, strict=True):
        if image is not None:
            yield image
            continue
        data = next(encoded)
        try:
            image = decode_jpeg(data, min_side=min_side)
        except InputError as error:
            advice = "`fabnet info --verify --every-image` lists all corrupt rows"
            raise StoreError(f"row {row} of the store is corrupt: {error}; {advice}") from None
        if kept is not None:
            kept.put(row, min_side, data, image)
        yield image


class TrainingSteps(Dataset[torch.Tensor]):
    """The steps of a run as items: `steps[n]` is (B, S + 1, size, size, 3) uint8, always the same for a given n.

    `steps[a:b]` are validation samples a to b of this process.

    Attributes:
        kept: decoded images to use and to add to; None: every image is decoded anew.
    """

    def __init__(
        self,
        images: ImageSource,
        starts: np.ndarray,
        lengths: np.ndarray,
        *,
        size: int,
        window: Window,
        jitter: Jitter,
        batch_size: int,
        num_sources: int,
        seed: int,
        people: np.ndarray | None = None,
        frames: np.ndarray | None = None,
        near: Near | None = None,
        val: Draw | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._images, self._starts, self._lengths = images, starts, lengths
        self._size, self._window, self._jitter = size, window, jitter
        self._batch_size, self._num_sources, self._seed = batch_size, num_sources, seed
        self._people, self._frames, self._near = people, frames, near
        self._val, self._rank, self._world_size = val, rank, world_size
        self.kept: DecodedImages | None = None

    def draw(self, step: int, *, whole: bool = False) -> Draw:
        """Draw a step: this process's share of the batch, or the whole batch."""
        rank, world_size = (0, 1) if whole else (self._rank, self._world_size)
        return draw(
            self._starts, self._lengths, seed=self._seed, step=step, batch_size=self._batch_size,
            num_sources=self._num_sources, jitter=self._jitter, people=self._people, frames=self._frames,
            near=self._near, rank=rank, world_size=world_size,
        )  # fmt: skip

    def views(self, step: int) -> np.ndarray | None:
        """How the encoder sees the images of a step's share, see `Draw`; None, without drawing, if as they are."""
        return self.draw(step).views if self._jitter.recolour or self._jitter.occlude else None

    @property
    def val_parts(self) -> list[slice]:
        """The validation samples in parts of a step's size, so that they take no more memory; at most 64 each."""
        if self._val is None:
            return []
        size = min(self._batch_size // self._world_size, 64)
        return [slice(first, first + size) for first in range(0, len(self._val.rows), size)]

    def __getitem__(self, item: int | slice) -> torch.Tensor:
        """Load the frames of a step or of a part of the validation samples."""
        if isinstance(item, slice):
            assert self._val is not None
            drawn = self._val.at(item)
        else:
            drawn = self.draw(item)
        frames = frames_of(drawn, self._images, window=self._window, size=self._size, kept=self.kept)
        return torch.from_numpy(frames)


class _StepsFrom:
    """Counts steps up from `first`, endlessly; after every `val_every` steps come the parts of the validation."""

    def __init__(self, first: int, val_every: int | None, val_parts: list[slice]) -> None:
        self._first, self._val_every, self._val_parts = first, val_every, val_parts

    def __iter__(self) -> Iterator[int | slice]:
        for step in count(self._first):
            yield step
            if self._val_every is not None and (step + 1) % self._val_every == 0:
                yield from self._val_parts


def _begin(worker_id: int) -> None:
    if hasattr(os, "setpgid"):  # not on Windows
        os.setpgid(0, 0)  # torch's workers obey SIGTERM, so only the trainer may send it: take a group of their own
    for number in STOPS:
        if number is not signal.SIGTERM:  # a worker on Windows shares the console, but inherits no ignored signals
            signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_trainer, daemon=True).start()


def _end_with_trainer() -> None:
    """End this process with the trainer; torch's watchdog misses a trainer that is killed while its workers start."""
    trainer = parent_process()
    if trainer is not None:
        trainer.join()
        os._exit(1)


@contextmanager
def step_loader(
    steps: TrainingSteps, *, first_step: int, num_workers: int, val_every: int | None = None, pin_memory: bool = False
) -> Iterator[Iterator[torch.Tensor]]:
    """Iterate over the steps from `first_step` on, endlessly, loading ahead of the trainer.

    The workers end with the block.

    Args:
        steps: the steps to load.
        first_step: the first step; a resumed run passes the step at which it stopped.
        num_workers: worker processes that read and crop; 0: the calling process does.
        val_every: after every so many steps come the parts of the validation samples, `steps.val_parts`; None: never.
        pin_memory: whether to put the frames into pinned memory, for CUDA.

    Yields:
        An iterator of (B, S + 1, size, size, 3) uint8 tensors.
    """
    loader: Any = DataLoader(
        steps,
        batch_size=None,
        sampler=_StepsFrom(first_step, val_every, steps.val_parts),
        num_workers=num_workers,
        pin_memory=pin_memory,
        worker_init_fn=_begin,
        prefetch_factor=max(2, BATCHES_AHEAD // num_workers) if num_workers else None,
        # Lance is not safe to fork.
        multiprocessing_context="spawn" if num_workers else None,
    )
    # The trainer alone handles requests to stop: a worker ended by one would fail the trainer before it has saved.
    with starting(heeds_sigterm=False):
        frames = iter(loader)
    try:
        yield frames
    finally:
        if num_workers:
            with suppress(RuntimeError):  # a worker that aborts as it ends, which some libraries do, has done its work
                frames._shutdown_workers()  # torch does it when nothing refers to them, which an error does for long


def next_frames(frames: Iterator[torch.Tensor]) -> torch.Tensor:
    """Wait for a step's frames.

    Args:
        frames: the iterator from `step_loader`.

    Returns:
        (B, S + 1, size, size, 3) uint8.

    Raises:
        FabnetError: raised in a worker; the message comes without the worker's traceback.
        TrainingError: a worker died while it handed frames over.
    """
    try:
        return next(frames)
    except FabnetError as error:
        # A worker's error carries the worker's traceback in its text; the last line is type and message.
        kind = type(error)
        message = str(error).strip().splitlines()[-1].removeprefix(f"{kind.__module__}.{kind.__qualname__}: ")
        raise kind(message) from None
    except (ConnectionError, EOFError) as error:
        if "in DataLoader worker" in str(error):  # the worker is alive and re-raised an error, of an object store, say
            raise
        raise _death(error) from error


@contextmanager
def worker_deaths() -> Iterator[None]:
    """Report the death of a loading worker clearly; torch may raise it anywhere, from a signal handler.

    Raises:
        TrainingError: a worker died.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise _death(error) from error


def _death(error: Exception) -> TrainingError:
    return TrainingError(
        f"a data-loading worker died ({first_line(error)}), perhaps out of memory: rerun with --resume, and with "
        "fewer --num-workers if it happens again"
    )
