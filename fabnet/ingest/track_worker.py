"""What a worker does with one video: its faces become rows in a spool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2

from fabnet.errors import VideoError
from fabnet.faces.find import loaded_detector
from fabnet.faces.picture import jpeg_bytes
from fabnet.ingest.options import TrackOptions
from fabnet.ingest.runner import Finished, IngestTask
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row
from fabnet.store.spool import SpoolWriter
from fabnet.video.track_video import TrackedFace, VideoStats, track_video

__all__ = ["STEPS", "TrackTask", "track_one"]

STEPS = ("decode", "detect", "link", "crop")
"""The steps whose times are among the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTask(IngestTask):
    """One video to track."""

    path: Path
    """The video file."""
    identity: str | None
    """Name of the person in the video; None: each track is a person of its own."""
    options: TrackOptions
    """How faces are found and cut out."""


def track_one(task: TrackTask, report: Callable[[float], None]) -> Finished:
    """Write the faces of one video to the task's spool.

    Args:
        task: the video.
        report: called with the seconds of video done since the last call.

    Returns:
        The ledger entry, and counts and times. A corrupt video keeps what comes before the damage.

    Raises:
        VideoError: nothing of the video can be used, or it changed while it was read.
        OutputError: the disk is full.
    """
    cv2.setNumThreads(1)
    options = task.options
    before = _status(task.path)
    stats = VideoStats()
    done_s = 0.0

    def advanced(at_s: float) -> None:
        nonlocal done_s
        report(max(0.0, at_s - done_s))
        done_s = max(done_s, at_s)

    damage = ""
    with SpoolWriter(task.spool) as spool:
        faces = track_video(
            task.path, loaded_detector(options.detector, options.min_face), spec=options.spec, fps=options.rate,
            link_fps=options.link_fps, stats=stats, on_progress=advanced,
        )  # fmt: skip
        try:
            for face in faces:
                spool.add(_row(task, face))
        except VideoError as error:
            if not spool.num_rows:
                raise
            damage = str(error)
        if _status(task.path) != before:
            raise VideoError(f"{task.path} was changed or replaced while it was read: run the same command again")
    read = replace(task, size_bytes=before.size_bytes, mtime=before.mtime)
    return Finished(_entry(read, spool, stats, damage or stats.warning or ""), _figures(stats))


class _Status(NamedTuple):
    """What distinguishes a file from another one at the same path."""

    size_bytes: int
    mtime: float
    inode: int


def _status(path: Path) -> _Status:
    try:
        found = path.stat()
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}") from None
    return _Status(found.st_size, found.st_mtime, found.st_ino)


def _entry(task: TrackTask, spool: SpoolWriter, stats: VideoStats, damage: str) -> LedgerEntry:
    notes = stats.notes if spool.num_rows else ["no face found", *stats.notes]
    return task.entry(
        "no-face" if not spool.num_rows else "partial" if damage else "ok",
        damage or "; ".join(notes),
        spool=spool,
        frames_kept=stats.frames_kept,
        frames_with_face=stats.frames_with_face,
    )


def _figures(stats: VideoStats) -> dict[str, float]:
    return {
        "frames_decoded": stats.frames_decoded,
        "frames_kept": stats.frames_kept,
        "frames_with_face": stats.frames_with_face,
        "video_s": stats.duration_s,
        **{step: stats.seconds.get(step, 0.0) for step in STEPS},
    }


def _row(task: TrackTask, face: TrackedFace) -> Row:
    track = str(face.track)
    return Row(
        identity=task.identity if task.identity is not None else f"{task.video}/{track}",
        video=task.video,
        track=track,
        frame=face.frame,
        time_s=face.time_s,
        source=task.video,
        split=task.split,
        image=jpeg_bytes(face.image, task.options.spec.jpeg_quality),
        crop_box_px=face.crop_box_px,
        box_px=face.box_px,
        landmarks5_px=face.landmarks5_px,
        score=face.score,
    )
