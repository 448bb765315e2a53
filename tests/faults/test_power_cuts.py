"""Power cuts during a verb or soon after it, simulated by a copy of the disk that has only what was written to it.

The copy is made of the file behind a mounted ext4 file system. It lacks what the kernel has not written yet: without
a sync, names are written after a second and contents after half a minute.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .faulty_disk import VERBS, Case, Worker, a_worker, cases
from .test_faulty_disk import given

__all__ = ["given"]

SEED = 0
SIZE = 96 * 2**20


def run(*command: object) -> bool:
    return subprocess.run([str(each) for each in command], capture_output=True).returncode == 0


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    place = image.with_suffix(".mounted")
    place.mkdir(exist_ok=True)
    if not run("mount", "-o", "loop,commit=1", image, place):
        pytest.skip("cannot mount a file")
    try:
        yield place
    finally:
        for _ in range(50):
            if run("umount", place):
                break
            time.sleep(0.1)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount a file, and mkfs.ext4 is needed")
    with a_worker(None, tmp_path_factory.mktemp("worker")) as started:
        yield started


def cut(image: Path, copy: Path, writer: int | None) -> None:
    """Copy the disk while the writer is stopped; repeat the copy if the kernel wrote to the disk meanwhile."""
    if writer is not None:
        with suppress(ProcessLookupError):  # the writer has just ended
            os.kill(writer, signal.SIGSTOP)
    for _ in range(20):
        run("cp", "--sparse=always", image, copy)
        if run("cmp", "-s", image, copy):
            break
    if writer is not None:
        with suppress(ProcessLookupError):
            os.kill(writer, signal.SIGCONT)


def check(case: Case, worker: Worker, copy: Path, *, is_done: bool, when: str) -> str:
    """Check the copy of the disk, as after a restart of the machine."""
    with mounted(copy) as disk:
        place = disk / "own.lance"
        found = case.content(place)
        assert case.is_sound(found), f"{case.name}, {when}: rows were lost or came back"
        if is_done:
            missing = case.is_done(place, found)
            assert missing is None, f"{case.name}, {when}: reported as done, and {missing}"
            if case.name == "remove store":
                images = [row["image"] for row in case.before if row not in case.after]
                contents = [file.read_bytes() for file in place.rglob("*") if file.is_file()]
                assert images
                assert not any(image in each for image in images for each in contents), f"{when}: a face came back"
        code, said = worker.do(case.verb, place, case.given)
        assert code == 0, f"{case.name}, {when}: a retry fails: {said}"
        missing = case.is_done(place, case.content(place))
        assert missing is None, f"{case.name}, {when}: after a retry {missing}"
    copy.unlink()
    return "new" if found == case.after else "old" if found == case.before else "between"


@pytest.mark.parametrize(
    ("moments", "waits_s"),
    [pytest.param(1, (0, 1.5), id="few"), pytest.param(20, (0, 1, 3, 8), id="many", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_power_cut_loses_nothing(
    verb: str, moments: int, waits_s: tuple[float, ...], given: dict[str, Any], worker: Worker, tmp_path: Path
) -> None:
    random, image, copy = np.random.default_rng(SEED), tmp_path / "disk.img", tmp_path / "copy.img"
    with image.open("wb") as file:
        file.truncate(SIZE)
    assert run("mkfs.ext4", "-q", "-F", image)
    with mounted(image) as disk:
        place = disk / "own.lance"
        for case in cases((verb,), tmp_path, worker, given):
            left = Counter[str]()
            takes_s = 0.0
            for number in range(moments + 1):
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(case.start, place)
                assert run("sync", "-f", place)
                began = time.monotonic()
                writer = worker.begin(case.verb, place, case.given)
                if number:  # the first one measures the duration
                    time.sleep(random.uniform(0, takes_s))
                    cut(image, copy, writer)
                code, said = worker.end()
                assert code == 0, said
                if not number:
                    takes_s = time.monotonic() - began
                    ended = time.monotonic()
                    for wait_s in waits_s:
                        time.sleep(max(0.0, ended + wait_s - time.monotonic()))
                        cut(image, copy, None)
                        left["after: " + check(case, worker, copy, is_done=True, when=f"{wait_s} s after")] += 1
                else:
                    left["during: " + check(case, worker, copy, is_done=False, when=f"moment {number}")] += 1
            print(f"{case.name}: {dict(sorted(left.items()))}", flush=True)
