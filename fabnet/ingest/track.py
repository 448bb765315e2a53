"""Track: raw videos to face-tracks in a store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabnet.errors import NoFaceError, VideoError
from fabnet.faces.detect.detection import NamedDetector
from fabnet.faces.find import loaded_detector
from fabnet.files.media import VideoFile, Videos, find_videos
from fabnet.files.places import as_place
from fabnet.ingest.identities import identities_of
from fabnet.ingest.options import TrackOptions
from fabnet.ingest.runner import Job, Run, RunReport, run
from fabnet.ingest.track_worker import STEPS, TrackTask, track_one
from fabnet.options import takes
from fabnet.runtime.engine import engine_for
from fabnet.store.split import MOMENTS, absent_notes, splits_for
from fabnet.store.spool import spool_path
from fabnet.store.summary import split_notes
from fabnet.video.decode import video_info

__all__ = ["TrackReport", "track"]

PROBED = 100
"""Number of videos whose duration is read to estimate the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackReport(RunReport):
    """What a run did, and what the store holds now."""

    partial: tuple[tuple[str, str], ...]
    """Damaged videos of which the part before the damage was kept: (video, reason)."""
    no_face: tuple[str, ...]
    """Videos without a face."""
    frames_decoded: int
    """Frames decoded in this run."""
    frames_kept: int
    """Frames kept by `fps` in this run, with or without a face."""
    frames_with_face: int
    """Kept frames with a face in this run."""
    video_s: float
    """Seconds of video read in this run."""
    seconds: dict[str, float]
    """Time that all processes spent on decode, detect, link and crop, in seconds."""

    def _own_json(self) -> dict[str, Any]:
        spent = sum(self.seconds.values())
        return {
            "partial": [{"video": video, "reason": reason} for video, reason in self.partial],
            "no_face": list(self.no_face),
            "frames_decoded": self.frames_decoded,
            "frames_kept": self.frames_kept,
            "frames_with_face": self.frames_with_face,
            "video_s": round(self.video_s, 2),
            "frames_decoded_per_s": round(self.frames_decoded / max(self.wall_s, 1e-9), 1),
            "times_real_time": round(self.video_s / max(self.wall_s, 1e-9), 2),
            "seconds": {step: round(value, 2) for step, value in self.seconds.items()},
            "shares": {step: round(value / spent, 3) if spent else 0.0 for step, value in self.seconds.items()},
        }


@takes(TrackOptions)
def track(
    videos: str | Path | Iterable[str | Path], out: str | Path, options: TrackOptions | None = None, **changes: Any
) -> TrackReport:
    """Find the face-tracks of videos and add them to a store; videos that an earlier run finished are skipped.

    A video is added whole or not at all. One that cannot be read is listed and does not stop the others. A script must
    call this under `if __name__ == "__main__":`, because worker processes are spawned.

    Args:
        videos: a video, a folder of videos, or several of them.
        out: the store; created if it does not exist.
        options: all options as one object; or give them by name.

    Returns:
        What was done.

    Raises:
        InputError: a path is missing, a CSV file is wrong, or a setting is.
        NoFaceError: no face in any of the videos.
        VideoError: none of the videos can be read.
        StoreError: `out` is not a store, or was made with other settings.
        OutputError: the disk is full; what was finished is kept.
        MissingDependencyError: Ray is not installed.
        FabnetError: the Ray cluster was lost; what was finished is kept.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; what was finished is kept.
    """
    start = time.monotonic()
    options = TrackOptions.of(options, changes)
    engine = engine_for(options.engine, num_workers=options.num_workers, ray_address=options.ray_address)
    given = find_videos(videos)
    people, missing = identities_of(given.found, options.identities)
    keys = {video.name: people[video.name] or video.name for video in given.found}
    split_by_key = splits_for(sorted(set(keys.values())), options.splits)
    notes = _missing_note(options.identities, missing) + absent_notes(options.splits, split_by_key)
    find = loaded_detector(options.detector, options.min_face)
    out = as_place(out)
    tasks = [
        TrackTask(
            video=video.name,
            source=video.path.absolute().as_posix(),
            size_bytes=video.size_bytes,
            mtime=video.mtime,
            split=split_by_key[keys[video.name]],
            spool=spool_path(out, number),
            path=video.path,
            identity=people[video.name],
            options=options,
        )
        for number, video in enumerate(given.found)
    ]
    done = run(
        TRACKING, tasks, out, crop=options.spec, settings=_settings(options), engine=engine,
        splits={name: split_by_key[name] for name in people.values() if name is not None},
    )  # fmt: skip
    if done.is_empty:
        raise _nothing_kept(given, done, find)
    return _report(given, done, notes, time.monotonic() - start)


def _settings(options: TrackOptions) -> dict[str, Any]:
    """The settings that the rows of a store depend on."""
    limit = {} if options.min_face is None else {"min_face": options.min_face}
    return {
        "verb": "track", "fps": options.rate, "link_fps": options.link_fps, "detector": options.detector,
        "identities": _mode(options.identities, "video", "folder"), "splits": _mode(options.splits, "hash", MOMENTS),
        **limit,
    }  # fmt: skip


def _mode(value: str | Path, *names: str) -> str:
    return str(value) if str(value) in names else "file"


def _duration_s(tasks: Sequence[TrackTask]) -> float | None:
    """Estimate of the seconds of video in all, from some of the files; None if none has a duration."""
    step = max(1, -(-len(tasks) // PROBED))
    durations = []
    for task in tasks[::step]:
        try:
            durations.append(video_info(task.path).duration_s)
        except VideoError:
            durations.append(0.0)
    return sum(durations) / len(durations) * len(tasks) if any(durations) else None


TRACKING = Job(
    work=track_one,
    label="tracking",
    unit="s of video",
    total=_duration_s,
    changed="another file of this name is in the store ({then} bytes then, {now} now): rename this one, or track into "
    "a new store",
)


def _missing_note(identities: str | Path, missing: Sequence[str]) -> list[str]:
    if not missing:
        return []
    names = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
    return [f"{identities} names {len(missing):,} videos that are not among those given: {names}"]


def _report(given: Videos, done: Run, notes: Sequence[str], wall_s: float) -> TrackReport:
    figures = done.figures
    return TrackReport(
        store=done.store,
        num_videos=len(given.found) + len(given.failed),
        num_skipped=done.num_skipped,
        failed=done.with_status("failed") + given.failed + done.changed,
        partial=done.with_status("partial"),
        no_face=tuple(video for video, _ in done.with_status("no-face")),
        left_out=given.left_out,
        notes=(
            *split_notes(done.store),
            *notes,
            *(f"{video}: {note}" for video, note in done.with_status("ok") if note),
        ),
        frames_decoded=int(figures["frames_decoded"]),
        frames_kept=int(figures["frames_kept"]),
        frames_with_face=int(figures["frames_with_face"]),
        video_s=figures["video_s"],
        wall_s=wall_s,
        seconds={step: figures[step] for step in STEPS},
    )


def _nothing_kept(given: Videos, done: Run, find: NamedDetector) -> NoFaceError | VideoError:
    """The error of a run that kept nothing."""
    num_videos = len(given.found) + len(given.failed)
    failed = done.with_status("failed") + given.failed
    no_face = [video for video, _ in done.with_status("no-face")]
    if num_videos == 1 and failed:
        return VideoError(failed[0][1])
    also = f"; {len(failed)} more cannot be read, the first: {': '.join(failed[0])}" if failed else ""
    if no_face:
        where = no_face[0] if len(no_face) == 1 else f"any of {len(no_face)} videos ({no_face[0]} ...)"
        searched = _searched(given.found, no_face[0], find)
        return NoFaceError(f"no face found in {where}; expected videos that show faces{searched}, upright{also}")
    if not failed:
        return NoFaceError(f"what these {num_videos} videos showed was removed from the store: name other videos")
    return VideoError(f"none of {num_videos} videos can be read; the first: {': '.join(failed[0])}")


def _searched(found: Sequence[VideoFile], name: str, find: NamedDetector) -> str:
    """How small faces may be in the video of this name, for the message; empty if it cannot be read."""
    (path,) = (video.path for video in found if video.name == name)
    try:
        info = video_info(path)
    except VideoError:
        return ""
    smallest = find.smallest_px(info.height, info.width)
    return f" of {smallest:.0f} px or more (--min-face finds smaller ones, with another --out)"
