"""Cases in a process of their own with limits on memory and time: its crash is an outcome like any other."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .mutations import mutated
from .targets import attacked, files_of

__all__ = ["Outcome", "Worker"]

MEMORY_MB = 1024
"""Upper bound of a case's memory, beyond what the process held before it."""
ADDRESS_SPACE_MB = 4096
"""Upper bound of reserved addresses, beyond what the process has when it is ready: more makes an allocation fail."""
TIME_LIMIT_S = 60.0

Outcome = dict[str, Any]
"""Keys of a case's outcome: `number`, `sample`, `file`, `outcome` ("done", "refused" or a finding), `what` if found."""


class Worker:
    """A process that is started on demand, and restarted when it has died.

    Args:
        kind: kind of the files.
        samples: folder of their samples.
        place: folder to work in.
        seed: seed of the mutations.
    """

    def __init__(self, kind: str, samples: Path, place: Path, seed: int) -> None:
        self._values = (kind, samples, place, seed)
        self._process: Any = None
        self.log = place / "log.txt"

    def run(self, number: int) -> Outcome:
        """Run a case.

        Args:
            number: number of the case; with kind and seed it determines the file and the change.
        """
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(*self._values, self.log, theirs), daemon=True)
            self._process.start()
            theirs.close()
            self._pipe.recv()
        try:
            self._pipe.send(number)
            if self._pipe.poll(TIME_LIMIT_S):
                outcome: Outcome = self._pipe.recv()
                return outcome
            finding = {"outcome": "time", "what": f"more than {TIME_LIMIT_S:.0f} s"}
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            finding = {"outcome": "crash", "what": f"{name}: {_last_line(self.log)}"}
        self.stop()
        kind, samples, _, seed = self._values
        sample, file, _ = chosen(kind, samples, number, seed)
        return {"number": number, "sample": sample.name, "file": str(file.relative_to(sample))} | finding

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()[-1:] if log.is_file() else []
    return lines[0][:300] if lines else ""


def chosen(kind: str, samples: Path, number: int, seed: int) -> tuple[Path, Path, bytes]:
    """The sample and the file of a case, and the bytes that replace the file.

    Cases below zero are the unchanged samples; -1 is the first.
    """
    if number < 0:
        sample = sorted(samples.iterdir())[-1 - number]
        return sample, files_of(kind, sample)[0], files_of(kind, sample)[0].read_bytes()
    random = np.random.default_rng([seed, *kind.encode(), number])
    folders = sorted(samples.iterdir())
    sample = folders[number % len(folders)]
    files = files_of(kind, sample)
    file = files[int(random.integers(len(files)))]
    others = [other for folder in folders for other in files_of(kind, folder) if other.suffix == file.suffix]
    other = others[int(random.integers(len(others)))]
    return sample, file, mutated(file.read_bytes(), other.read_bytes(), file.name, random)


def _serve(kind: str, samples: Path, place: Path, seed: int, log: Path, pipe: Connection) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115
    # Load everything beforehand, so that late imports do not count against the first case that needs them.
    for number in range(len(list(samples.iterdir()))):
        _attack(kind, *chosen(kind, samples, -1 - number, seed), place)
    limit = _status_mb("VmSize") + ADDRESS_SPACE_MB
    resource.setrlimit(resource.RLIMIT_AS, (limit * 2**20, limit * 2**20))
    pipe.send("ready")
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        os.truncate(log, 0)
        sample, file, data = chosen(kind, samples, number, seed)
        before_mb = _status_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
        outcome = _attack(kind, sample, file, data, place)
        taken_mb = _status_mb("VmHWM") - before_mb
        if taken_mb > MEMORY_MB and outcome["outcome"] in ("done", "refused"):
            outcome = {"outcome": "memory", "what": f"{taken_mb} MB"}
        outcome |= {"number": number, "sample": sample.name, "file": str(file.relative_to(sample)), "mb": taken_mb}
        pipe.send(outcome)


def _attack(kind: str, sample: Path, file: Path, data: bytes, place: Path) -> Outcome:
    copy = place / sample.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sample, copy)
    target = copy / file.relative_to(sample)
    target.write_bytes(data)
    try:
        return {"outcome": attacked(kind, copy, target)}
    except BaseException as error:  # a panic in a Rust library is not an Exception
        text = " ".join(str(error).split())[:300]
        kind_of_error = "memory" if isinstance(error, MemoryError) else "exception"
        return {"outcome": kind_of_error, "what": f"{type(error).__name__} in {_where(error)}: {text}"}
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _where(error: BaseException) -> str:
    """The innermost line in fabnet."""
    found = "?"
    for frame in traceback.extract_tb(error.__traceback__):
        own = re.search(r"(fabnet/.*)", frame.filename)
        found = f"{own[1]}:{frame.lineno}" if own and "fuzzing" not in frame.filename else found
    return found


def _status_mb(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024
