"""Import: folders of frames, of cropped videos, or of VoxCeleb's text files into a track store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from fabnet.errors import InputError, NoFaceError
from fabnet.faces.crop import CropSpec
from fabnet.faces.find import loaded_detector
from fabnet.files.folder import LeftOut, Look, left_out_json
from fabnet.files.places import as_place, local
from fabnet.ingest.import_worker import ImportTask, import_video, is_video
from fabnet.ingest.layouts import VideoFolder, scan
from fabnet.ingest.voxceleb import find_originals, read_utterance
from fabnet.runtime.interrupts import interruptible
from fabnet.runtime.local import run_tasks
from fabnet.runtime.progress import progress
from fabnet.store.ledger import LedgerEntry
from fabnet.store.split import absent_notes, check_unmoved, splits_for
from fabnet.store.spool import drop_spool, read_spool, spool_path, spools
from fabnet.store.summary import StoreSummary, split_notes, store_summary
from fabnet.store.track_store import TrackStore
from fabnet.store.writing import writing
from fabnet.video.decode import check_fps

__all__ = ["ImportReport", "import_folder"]

Layout = Literal["identity/video/track", "identity/video", "voxceleb-txt"]
COMMIT_ROWS = 2048
COMMIT_EVERY_S = 20.0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, and what the store holds now."""

    store: StoreSummary
    """The whole store."""
    num_videos: int
    """Video folders found."""
    num_skipped: int
    """Of these, the ones that were in the store already."""
    frames: int
    """Frames looked at, those of earlier runs of the same command included."""
    frames_with_face: int
    """Frames in the store."""
    dropped: tuple[tuple[str, str], ...]
    """Every frame or file that was left out: (source, reason)."""
    failed: tuple[tuple[str, str], ...]
    """Videos of which nothing was kept, for another reason than faces, and files that cannot be read: (name, why)."""
    left_out: tuple[LeftOut, ...]
    """All else that lies in the folder: file, reason, count."""
    notes: tuple[str, ...]
    """What one should know about the splits and short tracks."""
    wall_s: float
    """How long it took, in seconds."""

    def to_json(self) -> dict[str, Any]:
        """Give everything, ready for JSON; the store's counts at the top level."""
        own = {
            "num_videos": self.num_videos,
            "num_skipped": self.num_skipped,
            "frames": self.frames,
            "frames_with_face": self.frames_with_face,
            "dropped": [{"source": source, "reason": reason} for source, reason in self.dropped],
            "failed": [{"video": video, "reason": reason} for video, reason in self.failed],
            **left_out_json(self.left_out),
            "notes": list(self.notes),
            "wall_s": self.wall_s,
        }
        return {**self.store.to_json(), **own}


def import_folder(
    folder: Path | str,
    out: Path | str,
    *,
    layout: Layout = "identity/video/track",
    crop: Literal["none", "detect"] = "none",
    splits: str | Path = "hash",
    size: int = 256,
    fps: float = 1.0,
    detector: str = "mtcnn",
    min_face: float | None = None,
    videos: Path | str | None = None,
    num_workers: int | None = None,
) -> ImportReport:
    """Import a folder into a track store; what an earlier run of the same command finished is skipped.

    Args:
        folder: a folder with one folder per identity.
        out: the store; made if it does not exist.
        layout: the levels of the folder. identity/video/track: IDENTITY/VIDEO/TRACK/frame.jpg, or
            IDENTITY/VIDEO/TRACK.mp4 of faces already cropped. identity/video: IDENTITY/VIDEO/frame.jpg, one track a
            video. voxceleb-txt: VoxCeleb's IDENTITY/VIDEO/UTTERANCE.txt, with `videos`.
        crop: none: the pictures are ready crops (their central square is kept). detect: the face is found in each
            frame (of those at least half as large as the largest, the most central one) and cut out, each frame for
            itself: frames of folders may be seconds apart.
        splits: "hash" (75/15/10 by identity), "moments" (other moments of each track validate, not other people), or
            a CSV file with the header identity,split or person,split.
        size: of the stored crops in pixels.
        fps: frames kept a second, where the input is video.
        detector: see `fabnet.video.load_detector`.
        min_face: side of the smallest face looked for, in pixels; None: 1/64 of a frame's longer side, at least 20.
        videos: folder of VoxCeleb's original videos, named by their references.
        num_workers: processes; None: one a core; 0: none.

    Returns:
        What was done.

    Raises:
        InputError: the folder or the split file is missing or wrong, or the settings do not fit each other.
        NoFaceError: nothing was kept.
        StoreError: `out` is something else, or was made otherwise.
        OutputError: the disk is full; what was finished is kept.
    """
    start = time.monotonic()
    root, out = local(folder, "folders to import"), as_place(out)
    if crop not in ("none", "detect"):
        raise InputError(f"unknown crop {crop!r}: choose none or detect")
    check_fps(fps)
    spec = CropSpec(size=size, smoothing_s=0.0)
    found, look = scan(root, layout)
    split_by_key = splits_for([each.identity for each in found], splits)
    originals = _originals(root, found, layout, crop, videos, look)
    settings = _settings(layout, crop, splits, fps, detector, min_face)
    if crop == "detect":
        loaded_detector(detector, min_face, for_photos=True)
        found = _without_videos(found, look)
    with writing(out, crop=spec.to_json(), settings=settings) as store:
        check_unmoved(out, store.index(min_frames=1), split_by_key)
        run = _Run(store)
        todo = _unfinished(found, run)
        missing = _without_original(root, todo, originals) if originals is not None else []
        store.append([], missing)
        gone = {entry.video for entry in missing}
        tasks = [
            ImportTask(
                root, each, split_by_key[each.identity], spool_path(out, number), spec,
                detector if crop == "detect" else None, fps, min_face,
                originals[each.video] if originals is not None else None,
            )
            for number, each in enumerate(todo)
            if each.video not in gone
        ]  # fmt: skip
        with interruptible(f"stopped; the videos that were finished are in {out}: the same command goes on from there"):
            _work(run, tasks, num_workers)
        store.compact()
        return _report(run, found, look, absent_notes(splits, split_by_key), time.monotonic() - start)


@dataclass(slots=True)
class _Run:
    store: TrackStore
    num_skipped: int = 0
    changed: list[tuple[str, str]] = field(default_factory=list)


def _settings(
    layout: str, crop: str, splits: str | Path, fps: float, detector: str, min_face: float | None
) -> dict[str, Any]:
    mode = str(splits) if str(splits) in ("hash", "moments") else "file"
    used = detector if crop == "detect" else None
    limit = {} if used is None or min_face is None else {"min_face": min_face}
    return {"verb": "import", "layout": layout, "crop": crop, "splits": mode, "fps": fps, "detector": used, **limit}


def _without_videos(found: Sequence[VideoFolder], look: Look) -> list[VideoFolder]:
    """Leave out tracks that are videos: faces are looked for in frames only."""
    reason = (
        "video: --crop detect is for frames. Import cropped videos with --crop none; whole scenes go through "
        "`fabnet track --identities folder`"
    )
    kept = []
    for each in found:
        frames = tuple(track for track in each.tracks if not is_video(look.root, track.files[0]))
        for track in each.tracks:
            if track not in frames:
                look.leave_out(track.files[0], reason)
        if frames:
            kept.append(replace(each, tracks=frames))
    if not kept:
        raise InputError(f"{look.left_out()[-1].file} is a {reason}")
    return kept


def _unfinished(found: Sequence[VideoFolder], run: _Run) -> list[VideoFolder]:
    """What is still to do; a folder that has changed since it was imported is not imported twice."""
    ledger = run.store.ledger()
    todo = []
    for each in found:
        entry = ledger.get(each.video)
        if entry is None or not entry.is_finished:
            todo.append(each)
            continue
        run.num_skipped += 1
        if entry.frames_kept is not None and not entry.is_same_file(each.size_bytes, each.mtime):
            if not entry.rows:
                todo.append(each)
                run.num_skipped -= 1
                continue
            reason = f"changed since it was imported ({entry.size_bytes} bytes then, {each.size_bytes} now): "
            run.changed.append((each.video, reason + "not imported again; import into a new store"))
    return todo


def _work(run: _Run, tasks: Sequence[ImportTask], num_workers: int | None) -> None:
    total = sum(len(track.files) for task in tasks for track in task.folder.tracks)
    waiting: list[tuple[LedgerEntry, Path]] = []
    last = time.monotonic()
    with spools(run.store.path):
        try:
            with progress("importing", total=total, unit="files") as shown:
                for outcome in run_tasks(import_video, tasks, num_workers=num_workers, on_progress=shown.advance):
                    waiting.append((_entry(outcome.task, outcome.result, outcome.error), outcome.task.spool))
                    rows = sum(entry.rows for entry, _ in waiting)
                    if rows >= COMMIT_ROWS or time.monotonic() - last > COMMIT_EVERY_S:
                        _commit(run.store, waiting)
                        last = time.monotonic()
        finally:
            _commit(run.store, waiting)


def _entry(task: ImportTask, result: LedgerEntry | None, error: Exception | None) -> LedgerEntry:
    if result is not None:
        return result
    return LedgerEntry(
        task.folder.video,
        (task.root / task.folder.video).as_posix(),
        "failed",
        str(error),
        size_bytes=task.folder.size_bytes,
        mtime=task.folder.mtime,
        frames_kept=0,
        frames_with_face=0,
    )


def _commit(store: TrackStore, waiting: list[tuple[LedgerEntry, Path]]) -> None:
    done = list(waiting)
    waiting.clear()
    store.append(chain.from_iterable(read_spool(path) for entry, path in done if entry.rows), [e for e, _ in done])
    for _, path in done:
        drop_spool(path)


def _originals(
    root: Path, found: Sequence[VideoFolder], layout: str, crop: str, videos: Path | str | None, look: Look
) -> Mapping[str, Path | None] | None:
    """The original of each video that text files tell about; None where the layout has no such thing."""
    if layout != "voxceleb-txt":
        if videos is not None:
            raise InputError("--videos belongs to --layout voxceleb-txt: leave it out, or name that layout")
        return None
    if videos is None or crop != "none":
        raise InputError("--layout voxceleb-txt needs --videos DIR, the original videos, and takes no --crop")
    known, left_out = find_originals(local(videos, "videos"))
    look.include(left_out)
    originals = {}
    for each in found:
        name = Path(each.video).name
        if name not in known:
            try:
                name = read_utterance(root / each.tracks[0].files[0]).reference
            except (InputError, OSError):
                name = ""
        originals[each.video] = known.get(name)
    if not any(originals.values()):
        raise InputError(f"{videos} has none of the {len(found)} original videos: name them by their references")
    return originals


def _without_original(
    root: Path, todo: Sequence[VideoFolder], originals: Mapping[str, Path | None]
) -> list[LedgerEntry]:
    return [
        LedgerEntry(each.video, (root / each.video).as_posix(), "failed", "its original video is not there")
        for each in todo
        if originals[each.video] is None
    ]


def _report(run: _Run, found: Sequence[VideoFolder], look: Look, notes: Sequence[str], wall_s: float) -> ImportReport:
    ledger = run.store.ledger()
    entries = [ledger[each.video] for each in found if each.video in ledger]
    failed = [(entry.video, entry.reason) for entry in entries if entry.status == "failed"]
    failed += [(each.file, each.reason) for each in look.failed("image", "video")]
    dropped = [each for entry in entries for each in entry.dropped]
    if not any(entry.rows for entry in entries):
        first = (dropped or failed or [(entries[0].video, entries[0].reason)])[0]
        raise NoFaceError(
            f"nothing was kept of {len(found)} videos in {found[0].video.split('/')[0]} ...: {first[0]}: {first[1]}"
        )
    summary = store_summary(run.store)
    return ImportReport(
        store=summary,
        num_videos=len(found),
        num_skipped=run.num_skipped,
        frames=sum(entry.frames_kept or entry.rows for entry in entries),
        frames_with_face=sum(entry.rows for entry in entries),
        dropped=tuple(dropped),
        failed=tuple(failed + run.changed),
        left_out=tuple(look.left_out("image", "video")),
        notes=(*split_notes(summary), *notes),
        wall_s=round(wall_s, 2),
    )
