"""A resumable run: inputs become rows of a store, each whole or not at all.

`track` and `import` list their inputs as tasks and say what a worker does with one (`Job`). The rest is the same for
both: skipping what the ledger lists as finished, giving tasks to processes or to Ray, adding rows and ledger entries to
the store, recording failures, progress, and the counts of the report.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from fabnet.faces.crop import CropSpec
from fabnet.files.folder import LeftOut, left_out_json
from fabnet.runtime.interrupts import interruptible
from fabnet.runtime.outcome import Engine
from fabnet.runtime.progress import progress
from fabnet.store.ledger import LedgerEntry
from fabnet.store.split import check_unmoved
from fabnet.store.spool import SpoolWriter, drop_spool, read_spool, spools
from fabnet.store.summary import StoreSummary, store_summary
from fabnet.store.track_store import TrackStore
from fabnet.store.writing import writing

__all__ = ["Finished", "IngestTask", "Job", "Run", "RunReport", "run"]

COMMIT_EVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestTask:
    """One input. Each verb derives its own task, with what its worker needs besides."""

    video: str
    """Name of the video in the store."""
    source: str
    """Path of the file or folder, for the ledger."""
    size_bytes: int
    """Size of the input."""
    mtime: float
    """Time of the input's last change, seconds since 1970."""
    split: str
    """train, val, test, or moments."""
    spool: Path
    """File that the worker writes the rows to."""

    def entry(
        self,
        status: str,
        reason: str = "",
        *,
        spool: SpoolWriter | None = None,
        frames_kept: int = 0,
        frames_with_face: int = 0,
        dropped: Sequence[tuple[str, str]] = (),
    ) -> LedgerEntry:
        """The ledger entry of this input.

        Args:
            status: as in `LedgerEntry`, like the other arguments.
            reason: why it failed, or what is missing.
            spool: the rows; None: there are none.
            frames_kept: frames looked at.
            frames_with_face: the ones of these with a face.
            dropped: frames left out: (source, reason).
        """
        return LedgerEntry(
            self.video,
            self.source,
            status,
            reason,
            size_bytes=self.size_bytes,
            mtime=self.mtime,
            frames_kept=frames_kept,
            frames_with_face=frames_with_face,
            tracks=len(spool.tracks) if spool else 0,
            rows=spool.num_rows if spool else 0,
            dropped=tuple(dropped),
        )


T = TypeVar("T", bound=IngestTask)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a worker returns for a task."""

    entry: LedgerEntry
    """The entry for the ledger; the rows are in the task's spool."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Counts and times, which are added up over the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[T]):
    """What differs between the verbs that fill a store."""

    work: Callable[[T, Callable[[float], None]], Finished]
    """`work(task, report)`, a function at the top of a module: runs in a worker, calls `report(amount)` on the way."""
    label: str
    """Name of the activity in the progress display."""
    unit: str
    """Unit of the amounts that workers report."""
    total: Callable[[Sequence[T]], float | None]
    """Sum of the amounts that tasks will report; None if unknown."""
    changed: str
    """Reason to skip an input that has rows and another size now: a format string with {then} and {now}, in bytes."""
    commit_rows: int = 0
    """Rows collected before a commit; 0: one commit per input. No commit waits longer than `COMMIT_EVERY_S`."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run."""

    store: StoreSummary
    """The whole store."""
    entries: tuple[LedgerEntry, ...]
    """The ledger entry of every input given, in their order."""
    num_skipped: int
    """Inputs that an earlier run finished."""
    changed: tuple[tuple[str, str], ...]
    """Skipped inputs that have changed since: (video, reason)."""
    figures: Mapping[str, float]
    """Sums of the workers' figures; 0 for a name that none reported."""

    @property
    def is_empty(self) -> bool:
        """Whether the store has no row of any input given."""
        return not any(entry.rows for entry in self.entries)

    def with_status(self, status: str) -> tuple[tuple[str, str], ...]:
        """The inputs with this status: (video, reason)."""
        return tuple((entry.video, entry.reason) for entry in self.entries if entry.status == status)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What every verb that fills a store reports."""

    store: StoreSummary
    """The whole store."""
    num_videos: int
    """Videos given."""
    num_skipped: int
    """Videos that an earlier run finished."""
    failed: tuple[tuple[str, str], ...]
    """Videos of which nothing was kept, and files that cannot be read: (name, reason)."""
    left_out: tuple[LeftOut, ...]
    """Other files in the folders given: file, reason, count."""
    notes: tuple[str, ...]
    """Remarks on the splits, on short tracks and on single videos."""
    wall_s: float
    """Duration of this run in seconds."""

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for JSON; the store's counts are at the top level."""
        return {
            **self.store.to_json(),
            "num_videos": self.num_videos,
            "num_skipped": self.num_skipped,
            "failed": [{"video": video, "reason": reason} for video, reason in self.failed],
            **left_out_json(self.left_out),
            "notes": list(self.notes),
            "wall_s": round(self.wall_s, 2),
            **self._own_json(),
        }

    def _own_json(self) -> dict[str, Any]:
        """What the verb adds."""
        return {}


def run(
    job: Job[T],
    tasks: Sequence[T],
    out: Path,
    *,
    crop: CropSpec,
    settings: Mapping[str, Any],
    splits: Mapping[str, str],
    engine: Engine,
) -> Run:
    """Add the rows of all tasks to a store, except those that an earlier run finished.

    Args:
        job: what a worker does with a task.
        tasks: one per input, with different names.
        out: the store; created if it does not exist.
        crop: how faces are cut out; an existing store must have been made with the same crop.
        settings: the command's settings; an existing store must have been made with the same ones.
        splits: the split of every identity known by name; no identity moves to another split.
        engine: gives tasks to workers.

    Returns:
        What came of it. A task that fails is recorded and does not stop the others.

    Raises:
        InputError: an identity would move to another split.
        StoreError: `out` is not a store, has other settings, or is being written to.
        OutputError: the disk is full; what was finished is kept.
        FabnetError: the Ray cluster was lost; what was finished is kept.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; what was finished is kept.
    """
    with writing(out, crop=crop.to_json(), settings=dict(settings)) as store:
        check_unmoved(out, store.index(min_frames=1), splits)
        todo, changed = _unfinished(job, tasks, store.ledger())
        with interruptible(f"stopped; the videos that were finished are in {out}: the same command goes on from there"):
            figures = _work(job, todo, store, engine)
        store.compact()
        ledger = store.ledger()
        entries = tuple(ledger[task.video] for task in tasks)
        return Run(store_summary(store), entries, len(tasks) - len(todo), changed, figures)


def _unfinished(
    job: Job[T], tasks: Sequence[T], ledger: Mapping[str, LedgerEntry]
) -> tuple[list[T], tuple[tuple[str, str], ...]]:
    """The tasks still to do, and the skipped ones whose input has changed: its rows are not added a second time."""
    todo, changed = [], []
    for task in tasks:
        entry = ledger.get(task.video)
        if entry is None or not entry.is_finished:
            todo.append(task)
        elif entry.frames_kept is not None and not entry.is_same_file(task.size_bytes, task.mtime):
            if entry.rows:
                changed.append((task.video, job.changed.format(then=entry.size_bytes, now=task.size_bytes)))
            else:
                todo.append(task)
    return todo, tuple(changed)


def _work(job: Job[T], todo: Sequence[T], store: TrackStore, engine: Engine) -> Mapping[str, float]:
    figures: defaultdict[str, float] = defaultdict(float)
    waiting: list[tuple[LedgerEntry, Path]] = []
    committed_at = time.monotonic()
    with spools(store.path), progress(job.label, total=job.total(todo), unit=job.unit) as shown:
        try:
            for number, outcome in enumerate(engine(job.work, todo, on_progress=shown.advance), start=1):
                done = outcome.result or Finished(outcome.task.entry("failed", str(outcome.error)))
                waiting.append((done.entry, outcome.task.spool))
                for name, value in done.figures.items():
                    figures[name] += value
                rows = sum(entry.rows for entry, _ in waiting)
                if rows >= job.commit_rows or time.monotonic() - committed_at > COMMIT_EVERY_S:
                    _commit(store, waiting)
                    committed_at = time.monotonic()
                shown.update(note=f"{number} of {len(todo)} videos")
        finally:
            _commit(store, waiting)
    return figures


def _commit(store: TrackStore, waiting: list[tuple[LedgerEntry, Path]]) -> None:
    done = list(waiting)
    waiting.clear()  # a commit that fails is not tried again on the way out
    store.append(chain.from_iterable(read_spool(path) for entry, path in done if entry.rows), [e for e, _ in done])
    for _, path in done:
        drop_spool(path)
