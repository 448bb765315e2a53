"""Track: raw videos to face-tracks in a store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fabnet.errors import NoFaceError, VideoError
from fabnet.faces.detect.detection import NamedDetector
from fabnet.faces.find import loaded_detector
from fabnet.files.folder import LeftOut, left_out_json
from fabnet.files.media import VideoFile, Videos, find_videos
from fabnet.files.places import as_place
from fabnet.ingest.identities import identities_of
from fabnet.ingest.options import TrackOptions
from fabnet.ingest.track_worker import TrackTask, track_one
from fabnet.options import takes
from fabnet.runtime.engine import engine_for
from fabnet.runtime.interrupts import interruptible
from fabnet.runtime.outcome import Engine, Outcome
from fabnet.runtime.progress import progress
from fabnet.store.ledger import LedgerEntry
from fabnet.store.split import MOMENTS, absent_notes, check_unmoved, splits_for
from fabnet.store.spool import drop_spool, read_spool, spool_path, spools
from fabnet.store.summary import StoreSummary, split_notes, store_summary
from fabnet.store.track_store import TrackStore
from fabnet.store.writing import writing
from fabnet.video.decode import video_info

__all__ = ["TrackReport", "track"]

PROBED = 100
"""Videos whose duration is read to estimate that of all."""
STEPS = ("decode", "detect", "link", "crop")


@dataclass(frozen=True, slots=True)
class TrackReport:
    """What a run did, and what the store holds now."""

    store: StoreSummary
    """The whole store."""
    num_videos: int
    """Videos given."""
    num_skipped: int
    """Of these, the ones finished before."""
    failed: tuple[tuple[str, str], ...]
    """Videos of which nothing was kept: (video, reason)."""
    partial: tuple[tuple[str, str], ...]
    """Damaged videos of which the part before the damage was kept: (video, reason)."""
    no_face: tuple[str, ...]
    """Videos without a face."""
    left_out: tuple[LeftOut, ...]
    """All else that lies in the folders given: file, reason, count."""
    notes: tuple[str, ...]
    """What one should know about the splits, short tracks, and single videos: which of several streams was read..."""
    frames_decoded: int
    """In this run."""
    frames_kept: int
    """In this run: frames by `fps`, with a face or without."""
    frames_with_face: int
    """Of these, the ones with a face."""
    video_s: float
    """Seconds of video gone through in this run."""
    wall_s: float
    """How long this run took, in seconds."""
    seconds: dict[str, float]
    """Time of all processes spent on decode, detect, link and crop, in seconds."""

    def to_json(self) -> dict[str, Any]:
        """Give everything, ready for JSON; the store's counts at the top level."""
        spent = sum(self.seconds.values())
        own = {
            "num_videos": self.num_videos,
            "num_skipped": self.num_skipped,
            "failed": [{"video": video, "reason": reason} for video, reason in self.failed],
            "partial": [{"video": video, "reason": reason} for video, reason in self.partial],
            "no_face": list(self.no_face),
            **left_out_json(self.left_out),
            "notes": list(self.notes),
            "frames_decoded": self.frames_decoded,
            "frames_kept": self.frames_kept,
            "frames_with_face": self.frames_with_face,
            "video_s": round(self.video_s, 2),
            "wall_s": round(self.wall_s, 2),
            "frames_decoded_per_s": round(self.frames_decoded / max(self.wall_s, 1e-9), 1),
            "times_real_time": round(self.video_s / max(self.wall_s, 1e-9), 2),
            "seconds": {step: round(value, 2) for step, value in self.seconds.items()},
            "shares": {step: round(value / spent, 3) if spent else 0.0 for step, value in self.seconds.items()},
        }
        return {**self.store.to_json(), **own}


@takes(TrackOptions)
def track(
    videos: str | Path | Iterable[str | Path], out: str | Path, options: TrackOptions | None = None, **changes: Any
) -> TrackReport:
    """Find the face-tracks of videos and add them to a store; what an earlier run finished is skipped.

    A video is added whole or not at all. One that cannot be read is listed and does not stop the others. In a script,
    call it under `if __name__ == "__main__":`, as its processes are spawned.

    Args:
        videos: a video, a folder of videos, or several of them.
        out: the store; made if it does not exist.
        options: all options as one object; or give them by name.

    Returns:
        What was done.

    Raises:
        InputError: a path is missing, a CSV file is wrong, or a setting is.
        NoFaceError: no face in any of the videos.
        VideoError: none of the videos can be read.
        StoreError: `out` is something else, or was made otherwise.
        OutputError: the disk is full; what was finished is kept.
        MissingDependencyError: Ray is not installed.
        FabnetError: the Ray cluster was lost; what was finished is kept.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; what was finished is kept.
    """
    start = time.monotonic()
    options = TrackOptions.of(options, changes)
    chosen = engine_for(options.engine, num_workers=options.num_workers, ray_address=options.ray_address)
    given = find_videos(videos)
    found = given.found
    people, missing = identities_of(found, options.identities)
    keys = {video.name: people[video.name] or video.name for video in found}
    notes = _missing_note(options.identities, missing)
    split_by_key = splits_for(sorted(set(keys.values())), options.splits)
    notes += absent_notes(options.splits, split_by_key)
    find = loaded_detector(options.detector, options.min_face)
    out = as_place(out)
    with writing(out, crop=options.spec.to_json(), settings=_settings(options)) as store:
        people_splits = {name: split_by_key[name] for name in people.values() if name is not None}
        check_unmoved(out, store.index(min_frames=1), people_splits)
        run = _Run(store)
        tasks = [
            TrackTask(video, people[video.name], split_by_key[keys[video.name]], spool_path(out, number), options)
            for number, video in enumerate(_unfinished(found, run))
        ]
        with interruptible(f"stopped; the videos that were finished are in {out}: the same command goes on from there"):
            _work(run, tasks, chosen)
        store.compact()
        return _report(run, given, find, notes, time.monotonic() - start)


def _settings(options: TrackOptions) -> dict[str, Any]:
    """What the store's rows depend on."""
    limit = {} if options.min_face is None else {"min_face": options.min_face}
    return {
        "verb": "track", "fps": options.rate, "link_fps": options.link_fps, "detector": options.detector,
        "identities": _mode(options.identities, "video", "folder"), "splits": _mode(options.splits, "hash", MOMENTS),
        **limit,
    }  # fmt: skip


@dataclass(slots=True)
class _Run:
    store: TrackStore
    num_skipped: int = 0
    changed: list[tuple[str, str]] = field(default_factory=list)
    frames_decoded: int = 0
    frames_kept: int = 0
    frames_with_face: int = 0
    video_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))


def _mode(value: str | Path, *names: str) -> str:
    return str(value) if str(value) in names else "file"


def _unfinished(found: Sequence[VideoFile], run: _Run) -> list[VideoFile]:
    """What is still to do; a video that has changed since is not added a second time."""
    ledger = run.store.ledger()
    todo = []
    for video in found:
        entry = ledger.get(video.name)
        is_same = entry is not None and (entry.frames_kept is None or entry.is_same_file(video.size_bytes, video.mtime))
        if entry is None or not entry.is_finished or (not is_same and not entry.rows):
            todo.append(video)
            continue
        run.num_skipped += 1
        if not is_same:
            was = f"another file of this name is in the store ({entry.size_bytes} bytes then, {video.size_bytes} now)"
            run.changed.append((video.name, f"{was}: rename this one, or track into a new store"))
    return todo


def _work(run: _Run, tasks: Sequence[TrackTask], engine: Engine) -> None:
    total = _duration_s([task.video for task in tasks])
    with spools(run.store.path), progress("tracking", total=total, unit="s of video") as shown:
        outcomes = engine(track_one, tasks, on_progress=shown.advance)
        for num_done, outcome in enumerate(outcomes, start=1):
            _add(run, outcome)
            shown.update(note=f"{num_done} of {len(tasks)} videos")


def _duration_s(videos: Sequence[VideoFile]) -> float | None:
    """Seconds of video in all, read from some of the files; None where none says."""
    step = max(1, -(-len(videos) // PROBED))
    durations = []
    for video in videos[::step]:
        try:
            durations.append(video_info(video.path).duration_s)
        except VideoError:
            durations.append(0.0)
    return sum(durations) / len(durations) * len(videos) if any(durations) else None


def _add(run: _Run, outcome: Outcome) -> None:
    task: TrackTask = outcome.task
    if outcome.result is None:
        entry = LedgerEntry(
            task.video.name, task.video.path.absolute().as_posix(), "failed", str(outcome.error),
            size_bytes=task.video.size_bytes, mtime=task.video.mtime, frames_kept=0, frames_with_face=0,
        )  # fmt: skip
        run.store.append([], [entry])
        return
    entry, stats = outcome.result.entry, outcome.result.stats
    run.store.append(read_spool(task.spool) if entry.rows else [], [entry])
    drop_spool(task.spool)
    run.frames_decoded += stats.frames_decoded
    run.frames_kept += stats.frames_kept
    run.frames_with_face += stats.frames_with_face
    run.video_s += stats.duration_s
    for step in STEPS:
        run.seconds[step] += stats.seconds.get(step, 0.0)


def _missing_note(identities: str | Path, missing: Sequence[str]) -> list[str]:
    if not missing:
        return []
    names = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
    return [f"{identities} names {len(missing):,} videos that are not among those given: {names}"]


def _report(run: _Run, given: Videos, find: NamedDetector, notes: Sequence[str], wall_s: float) -> TrackReport:
    found = given.found
    ledger = run.store.ledger()
    entries = [ledger[video.name] for video in found]
    failed = tuple((entry.video, entry.reason) for entry in entries if entry.status == "failed") + given.failed
    no_face = tuple(entry.video for entry in entries if entry.status == "no-face")
    if not any(entry.rows for entry in entries):
        _raise_nothing_kept(len(found) + len(given.failed), failed, no_face, _searched(found, no_face, find))
    summary = store_summary(run.store)
    return TrackReport(
        store=summary,
        num_videos=len(found) + len(given.failed),
        num_skipped=run.num_skipped,
        failed=failed + tuple(run.changed),
        partial=tuple((entry.video, entry.reason) for entry in entries if entry.status == "partial"),
        no_face=no_face,
        left_out=given.left_out,
        notes=(
            *split_notes(summary),
            *notes,
            *(f"{entry.video}: {entry.reason}" for entry in entries if entry.status == "ok" and entry.reason),
        ),
        frames_decoded=run.frames_decoded,
        frames_kept=run.frames_kept,
        frames_with_face=run.frames_with_face,
        video_s=run.video_s,
        wall_s=wall_s,
        seconds=run.seconds,
    )


def _searched(found: Sequence[VideoFile], no_face: Sequence[str], find: NamedDetector) -> str:
    """How small the faces were that were looked for in the first video without one."""
    for video in found:
        if video.name in no_face[:1]:
            try:
                info = video_info(video.path)
            except VideoError:
                return ""
            smallest = find.smallest_px(info.height, info.width)
            return f" of {smallest:.0f} px or more (--min-face finds smaller ones, with another --out)"
    return ""


def _raise_nothing_kept(
    num_videos: int, failed: Sequence[tuple[str, str]], no_face: Sequence[str], searched: str
) -> None:
    if num_videos == 1 and failed:
        raise VideoError(failed[0][1])
    also = f"; {len(failed)} more cannot be read, the first: {': '.join(failed[0])}" if failed else ""
    if no_face:
        where = no_face[0] if len(no_face) == 1 else f"any of {len(no_face)} videos ({no_face[0]} ...)"
        raise NoFaceError(f"no face found in {where}; expected videos that show faces{searched}, upright{also}")
    if not failed:
        raise NoFaceError(f"what these {num_videos} videos showed was removed from the store: name other videos")
    raise VideoError(f"none of {num_videos} videos can be read; the first: {': '.join(failed[0])}")
