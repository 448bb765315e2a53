from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import get_worker_info

from fabnet.errors import StoreError, TrainingError
from fabnet.faces.window import Window
from fabnet.sampling.loader import TrainingSteps, next_frames, step_loader
from fabnet.sampling.pairs import Jitter, draw_fixed


def failing(error: Exception) -> Iterator[torch.Tensor]:
    yield from ()
    raise error


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_a_worker_that_dies_while_it_hands_frames_over_is_reported(error: Exception) -> None:
    with pytest.raises(TrainingError, match=r"worker died .* --resume"):
        next_frames(failing(error))


def test_a_lost_connection_of_a_living_worker_is_not_its_death() -> None:
    with pytest.raises(ConnectionResetError, match="the store's server"):
        next_frames(failing(ConnectionResetError("Caught it in DataLoader worker process 0: the store's server")))


def test_a_workers_error_comes_with_its_message_alone() -> None:
    text = "Caught StoreError in DataLoader worker process 0.\nTraceback\nfabnet.errors.StoreError: row 3 is corrupt"
    with pytest.raises(StoreError, match=r"^row 3 is corrupt$"):
        next_frames(failing(StoreError(text)))


class Places:
    """Frames that carry the place where they were decoded: the process and the row."""

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        image = np.full((16, 16, 3), os.getpid() % 200, np.uint8)
        return [cv2.imencode(".png", image)[1].tobytes() for _ in rows]


class AbortingAtTheEnd(Places):
    """Workers that have read from it abort as they end, the second while the trainer waits for the first."""

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        worker = get_worker_info()
        if worker is not None:
            atexit.register(time.sleep, 1.0) if worker.id == 0 else atexit.register(os.abort)
        return super().read_images(rows)


def test_workers_that_abort_as_they_end_do_not_fail_the_run() -> None:
    starts, lengths = np.arange(0, 40, 5), np.full(8, 5)
    steps = TrainingSteps(
        AbortingAtTheEnd(), starts, lengths, size=16, window=Window(0.5, 0.5, 1.0), jitter=Jitter(), batch_size=4,
        num_sources=1, seed=0,
    )  # fmt: skip
    with step_loader(steps, first_step=0, num_workers=2) as frames:
        for _ in range(4):
            assert next_frames(frames).shape == (4, 2, 16, 16, 3)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_validation_comes_between_the_steps_and_is_decoded_by_the_workers(num_workers: int) -> None:
    starts, lengths = np.arange(0, 40, 5), np.full(8, 5)
    steps = TrainingSteps(
        Places(), starts, lengths, size=16, window=Window(0.5, 0.5, 1.0), jitter=Jitter(), batch_size=4, num_sources=1,
        seed=0, val=draw_fixed(starts, lengths, num_samples=10),
    )  # fmt: skip
    assert [len(steps[part]) for part in steps.val_parts] == [4, 4, 2]
    with step_loader(steps, first_step=2, num_workers=num_workers, val_every=2) as frames:
        found = [next_frames(frames) for _ in range(1 + 1 + 3 + 2 + 3)]
    assert [len(each) for each in found] == [4, 4, 4, 4, 2, 4, 4, 4, 4, 2]
    own = os.getpid() % 200
    assert {bool((each == own).all()) for each in found} == {num_workers == 0}


class Ignored:
    """Frames that are white if the process ignores Ctrl-C."""

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        image = np.full((16, 16, 3), 255 * (signal.getsignal(signal.SIGINT) is signal.SIG_IGN), np.uint8)
        return [cv2.imencode(".png", image)[1].tobytes() for _ in rows]


def test_a_worker_that_inherits_no_ignored_signals_ignores_ctrl_c() -> None:
    """As on Windows; elsewhere only what is started outside the main thread inherits none."""
    steps = TrainingSteps(
        Ignored(), np.arange(0, 40, 5), np.full(8, 5), size=16, window=Window(0.5, 0.5, 1.0), jitter=Jitter(),
        batch_size=4, num_sources=1, seed=0,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as outside, ExitStack() as stack:
        frames = outside.submit(stack.enter_context, step_loader(steps, first_step=0, num_workers=1)).result()
        assert (next_frames(frames) == 255).all()


KILLED_AT_ONCE = """
import multiprocessing, os, signal, sys
from fabnet.sampling.loader import TrainingSteps, step_loader
from fabnet.sampling.pairs import Jitter
from fabnet.faces.window import Window
from fabnet.store.track_store import open_store
if __name__ == "__main__":
    store = open_store(sys.argv[1])
    spans = store.spans()
    steps = TrainingSteps(
        store, *spans, size=16, window=Window(0.5, 0.5, 0.5), jitter=Jitter(), batch_size=2, num_sources=1, seed=0
    )
    with step_loader(steps, first_step=0, num_workers=1):
        print(multiprocessing.active_children()[0].pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="asks for processes as POSIX does")
def test_a_trainer_that_is_killed_while_its_workers_start_leaves_none(store: Path, tmp_path: Path) -> None:
    (tmp_path / "trainer.py").write_text(KILLED_AT_ONCE)
    trainer = subprocess.Popen([sys.executable, tmp_path / "trainer.py", store], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    worker, deadline = int(trainer.stdout.readline()), time.monotonic() + 30
    assert trainer.wait() == -signal.SIGKILL
    trainer.stdout.close()
    while is_alive := is_running(worker):
        if time.monotonic() > deadline:
            os.kill(worker, signal.SIGKILL)
            break
        time.sleep(0.1)
    assert not is_alive
