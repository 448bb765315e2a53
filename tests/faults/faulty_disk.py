"""Verbs on a disk that fails: their initial files, the expected results, and the process that runs them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import fabnet
from fabnet.models.find_model import list_checkpoints
from fabnet.retrieval.gallery import Gallery
from fabnet.store.track_store import open_store
from fabnet.training.checkpoint import read_state

from .test_upkeep_kills import made_embeddings, made_store

KINDS = {"I/O error": 1, "full": 2, "short": 3, "kill": 4}
VERBS = ("track", "import", "embed", "compact", "remove", "index", "checkpoint")
STATE = struct.Struct("3q")


@dataclass
class Worker:
    """The process that runs verbs, counts the calls that change files, and lets one of them fail."""

    process: subprocess.Popen[str]
    state: Path | None

    def begin(self, verb: str, place: Path, given: dict[str, Any], *, at: int = 0, kind: int = 0) -> int:
        """Start a verb; return its process id."""
        if self.state is not None:
            with self.state.open("r+b") as file:
                file.write(STATE.pack(0, at, kind))
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([verb, str(place), given]) + "\n")
        self.process.stdin.flush()
        return int(self._read())

    def end(self) -> tuple[int, str]:
        """Wait for the verb; return its exit code and its output."""
        code, said = self._read()
        return code, said

    def do(self, verb: str, place: Path, given: dict[str, Any], **fault: int) -> tuple[int, str]:
        self.begin(verb, place, given, **fault)
        return self.end()

    @property
    def calls(self) -> int:
        assert self.state is not None
        return int(STATE.unpack(self.state.read_bytes())[0])

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def a_worker(under: Path | None, scratch: Path, *, only: str | None = None) -> Iterator[Worker]:
    """Start the process. Calls are counted and fail only for paths below `under` that contain `only`."""
    environment, state = dict(os.environ), None
    if under is not None:
        library, state = scratch / "faulty.so", scratch / "state"
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            pytest.skip("needs Linux and a C compiler")
        source = Path(__file__).with_name("faulty.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        state.write_bytes(STATE.pack(0, 0, 0))
        environment |= {"LD_PRELOAD": str(library), "FAULTY_UNDER": str(under), "FAULTY_STATE": str(state)}
        environment |= {"FAULTY_ONLY": only} if only is not None else {}
    log = (scratch / "worker.log").open("w")
    command = [sys.executable, "-m", "tests.faults.worker"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        worker = Worker(process, state)
        assert worker._read() == "ready"
        yield worker
    finally:
        process.kill()
        process.communicate()
        log.close()


@dataclass
class Case:
    """A verb and its initial files."""

    verb: str
    name: str
    start: Path
    given: dict[str, Any]
    before: list[Any] = field(default_factory=list)
    """Content of `start`."""
    after: list[Any] = field(default_factory=list)
    """Content after the verb."""

    def content(self, place: Path) -> list[Any]:
        """The content of a place, in a form that can be compared; raises if it cannot be opened."""
        if self.verb == "checkpoint":
            found = list_checkpoints(place)
            for each in found:
                for file in each.glob("*.safetensors"):
                    load_file(file)
            return [read_state(each).step for each in found]
        if self.verb in ("embed", "index") or not (place / "_ledger.lance").exists():
            Gallery(place)
            rows = [row for batch in Gallery(place).scan(["id", "identity", "embedding"]) for row in batch.to_pylist()]
            return sorted(rows, key=lambda row: row["id"])
        store = open_store(place)
        rows = store.read_rows(range(store.num_rows), ["identity", "video", "track", "frame", "image"]).to_pylist()
        return sorted(rows, key=lambda row: (row["video"], row["track"], row["frame"]))

    def is_sound(self, found: list[Any]) -> bool:
        """Whether an interruption may leave this content: rows from before or after, and no other rows lost."""
        if self.verb in ("track", "import"):
            return all(row in found for row in self.before) and all(row in self.after for row in found)
        if self.verb == "checkpoint":
            return bool(found) and max(found) >= max(self.before)
        return found in (self.before, self.after)

    def problem(self, place: Path) -> str | None:
        if self.verb == "checkpoint":
            return None
        if self.verb == "index" and not Gallery(place).has_index:
            return "there is no index"
        return fabnet.verify(place).problem

    def is_done(self, place: Path, found: list[Any]) -> str | None:
        """What the verb reports as done but is missing."""
        if self.verb == "checkpoint":
            return None if found[-1] == self.after[-1] else f"step {found[-1]} of {self.after[-1]}"
        return self.problem(place) if found == self.after else f"{len(found)} rows of {len(self.after)}, or others"


def cases(verbs: tuple[str, ...], scratch: Path, worker: Worker, given: dict[str, Any]) -> Iterator[Case]:
    """Make the initial files of verbs.

    Args:
        verbs: of `VERBS`; `compact` and `remove` are done on a store and on embeddings.
        scratch: a folder for it.
        worker: does each verb once without a fault.
        given: store, run, videos, frames and splits.
    """
    for verb in verbs:
        for kind in ("store", "embeddings") if verb in ("compact", "remove") else ("",):
            start = scratch / f"{verb}{kind}.start"
            own = dict(given)
            if verb in ("track", "import"):
                what = "videos" if verb == "track" else "frames"
                part = scratch / "part" / what / Path(given[what]).name  # one of the parts exists already
                first = sorted(Path(given[what]).iterdir())[0]
                part.mkdir(parents=True)
                (shutil.copytree if first.is_dir() else shutil.copy2)(first, part / first.name)
                assert worker.do(verb, start, own | {what: str(part)}) == (0, "")
            elif verb == "checkpoint":
                shutil.copytree(given["run"], start)
            elif verb == "embed":
                made_embeddings(Path(given["store"]), start)
            elif kind == "embeddings" or verb == "index":
                made_embeddings(Path(given["store"]), start)
                if verb == "index":
                    Gallery(start).drop_index()
                    own["id"] = "person0/v/0"
            else:
                made_store(Path(given["store"]), start)
            case = Case(verb, f"{verb} {kind}".strip(), start, own)
            case.before = case.content(start)
            whole = scratch / f"{verb}{kind}.whole"
            shutil.copytree(start, whole)
            code, said = worker.do(verb, whole, own)
            assert code == 0, said
            case.after = case.content(whole)
            assert verb in ("compact", "index") or case.after != case.before
            shutil.rmtree(whole)
            yield case
