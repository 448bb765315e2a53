"""Import: folders of frames, of cropped videos, or of VoxCeleb's text files into a track store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from fabnet.errors import InputError, NoFaceError
from fabnet.faces.find import loaded_detector
from fabnet.files.folder import LeftOut, Look, left_out_json
from fabnet.files.places import as_place, local
from fabnet.ingest.import_worker import ImportTask, import_video, is_video
from fabnet.ingest.layouts import VideoFolder, scan
from fabnet.ingest.options import ImportOptions
from fabnet.ingest.voxceleb import find_originals, read_utterance
from fabnet.options import takes
from fabnet.runtime.interrupts import interruptible
from fabnet.runtime.local import run_tasks
from fabnet.runtime.progress import progress
from fabnet.store.ledger import LedgerEntry
from fabnet.store.split import MOMENTS, absent_notes, check_unmoved, splits_for
from fabnet.store.spool import drop_spool, read_spool, spool_path, spools
from fabnet.store.summary import StoreSummary, split_notes, store_summary
from fabnet.store.track_store import TrackStore
from fabnet.store.writing import writing

__all__ = ["ImportReport", "import_folder"]

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


@takes(ImportOptions)
def import_folder(
    folder: str | Path, out: str | Path, options: ImportOptions | None = None, **changes: Any
) -> ImportReport:
    """Import a folder into a track store; what an earlier run of the same command finished is skipped.

    Args:
        folder: a folder with one folder per identity.
        out: the store; made if it does not exist.
        options: all options as one object; or give them by name.

    Returns:
        What was done.

    Raises:
        InputError: the folder or the split file is missing or wrong, or the settings do not fit each other.
        NoFaceError: nothing was kept.
        StoreError: `out` is something else, or was made otherwise.
        OutputError: the disk is full; what was finished is kept.
    """
    start = time.monotonic()
    options = ImportOptions.of(options, changes)
    root, out = local(folder, "folders to import"), as_place(out)
    found, look = scan(root, options.layout)
    split_by_key = splits_for([each.identity for each in found], options.splits)
    originals = _originals(root, found, options, look)
    if options.crop == "detect":
        loaded_detector(options.detector, options.min_face, for_photos=True)
        found = _without_videos(found, look)
    with writing(out, crop=options.spec.to_json(), settings=_settings(options)) as store:
        check_unmoved(out, store.index(min_frames=1), split_by_key)
        run = _Run(store)
        todo = _unfinished(found, run)
        missing = _without_original(root, todo, originals) if originals is not None else []
        store.append([], missing)
        gone = {entry.video for entry in missing}
        tasks = [
            ImportTask(
                root, each, split_by_key[each.identity], spool_path(out, number), options,
                originals[each.video] if originals is not None else None,
            )
            for number, each in enumerate(todo)
            if each.video not in gone
        ]  # fmt: skip
        with interruptible(f"stopped; the videos that were finished are in {out}: the same command goes on from there"):
            _work(run, tasks, options.num_workers)
        store.compact()
        return _report(run, found, look, absent_notes(options.splits, split_by_key), time.monotonic() - start)


@dataclass(slots=True)
class _Run:
    store: TrackStore
    num_skipped: int = 0
    changed: list[tuple[str, str]] = field(default_factory=list)


def _settings(options: ImportOptions) -> dict[str, Any]:
    """What the store's rows depend on."""
    mode = str(options.splits) if str(options.splits) in ("hash", MOMENTS) else "file"
    used = options.detector if options.crop == "detect" else None
    limit = {} if used is None or options.min_face is None else {"min_face": options.min_face}
    return {
        "verb": "import", "layout": options.layout, "crop": options.crop, "splits": mode, "fps": options.fps,
        "detector": used, **limit,
    }  # fmt: skip


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
    root: Path, found: Sequence[VideoFolder], options: ImportOptions, look: Look
) -> Mapping[str, Path | None] | None:
    """The original of each video that text files tell about; None where the layout has no such thing."""
    videos = options.videos
    if options.layout != "voxceleb-txt":
        if videos is not None:
            raise InputError("--videos belongs to --layout voxceleb-txt: leave it out, or name that layout")
        return None
    if videos is None or options.crop != "none":
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
