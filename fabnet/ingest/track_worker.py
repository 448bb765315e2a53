"""What a worker process does with one video: its faces to rows in a spool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2

from fabnet.errors import VideoError
from fabnet.faces.find import loaded_detector
from fabnet.files.media import VideoFile
from fabnet.ingest.import_worker import encoded
from fabnet.ingest.options import TrackOptions
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row
from fabnet.store.spool import SpoolWriter
from fabnet.video.track_video import TrackedFace, VideoStats, track_video

__all__ = ["TrackResult", "TrackTask", "track_one"]


@dataclass(frozen=True, slots=True)
class TrackTask:
    """One video to track."""

    video: VideoFile
    """Which."""
    identity: str | None
    """Who is in it; None: each track is a person of its own."""
    split: str
    """train, val, test, or moments."""
    spool: Path
    """Where the rows go."""
    options: TrackOptions
    """How its faces are found and cut out."""


@dataclass(frozen=True, slots=True)
class TrackResult:
    """What came of one video."""

    entry: LedgerEntry
    """For the ledger."""
    stats: VideoStats
    """Counts and times."""


def track_one(task: TrackTask, report: Callable[[float], None]) -> TrackResult:
    """Write the faces of one video to its spool.

    Args:
        task: what to do.
        report: called with the seconds of video done since the last call.

    Returns:
        What became of it. A damaged video keeps what came before the damage.

    Raises:
        VideoError: nothing of it can be used, or it was changed meanwhile.
        OutputError: the disk is full.
    """
    cv2.setNumThreads(1)
    options = task.options
    before = _status(task.video.path)
    stats = VideoStats()
    done_s = 0.0

    def advanced(at_s: float) -> None:
        nonlocal done_s
        report(max(0.0, at_s - done_s))
        done_s = max(done_s, at_s)

    warning = ""
    with SpoolWriter(task.spool) as spool:
        faces = track_video(
            task.video.path, loaded_detector(options.detector, options.min_face), spec=options.spec, fps=options.rate,
            link_fps=options.link_fps, stats=stats, on_progress=advanced,
        )  # fmt: skip
        try:
            for face in faces:
                spool.add(_row(task, face))
        except VideoError as error:
            if not spool.num_rows:
                raise
            warning = str(error)
        if _status(task.video.path) != before:
            raise VideoError(f"{task.video.path} was changed or replaced while it was read: run the same command again")
    return TrackResult(_entry(task, before, spool, stats, warning or stats.warning or ""), stats)


class _Status(NamedTuple):
    """What tells a file from another one in its place."""

    size_bytes: int
    mtime: float
    inode: int


def _status(path: Path) -> _Status:
    try:
        found = path.stat()
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}") from None
    return _Status(found.st_size, found.st_mtime, found.st_ino)


def _entry(task: TrackTask, file: _Status, spool: SpoolWriter, stats: VideoStats, warning: str) -> LedgerEntry:
    status = "no-face" if not spool.num_rows else "partial" if warning else "ok"
    return LedgerEntry(
        task.video.name,
        task.video.path.absolute().as_posix(),
        status,
        "; ".join([warning] if warning else ["no face found"] * (not spool.num_rows) + stats.notes),
        size_bytes=file.size_bytes,
        mtime=file.mtime,
        frames_kept=stats.frames_kept,
        frames_with_face=stats.frames_with_face,
        tracks=len(spool.tracks),
        rows=spool.num_rows,
    )


def _row(task: TrackTask, face: TrackedFace) -> Row:
    track = str(face.track)
    video = task.video.name
    return Row(
        identity=task.identity if task.identity is not None else f"{video}/{track}",
        video=video,
        track=track,
        frame=face.frame,
        time_s=face.time_s,
        source=video,
        split=task.split,
        image=encoded(face.image, task.options.spec.jpeg_quality),
        crop_box_px=face.crop_box_px,
        box_px=face.box_px,
        landmarks5_px=face.landmarks5_px,
        score=face.score,
    )
