"""Import: folders of frames, of cropped videos, or of VoxCeleb's text files into a track store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fabnet.errors import InputError, NoFaceError
from fabnet.faces.find import loaded_detector
from fabnet.files.folder import FolderScan
from fabnet.files.places import as_place, local
from fabnet.ingest.import_worker import ImportTask, import_video, is_text, is_video
from fabnet.ingest.layouts import VideoFolder, scan
from fabnet.ingest.options import PUBLISHED, ImportOptions
from fabnet.ingest.runner import Job, Run, RunReport, run
from fabnet.ingest.voxceleb import originals_of
from fabnet.ingest.voxceleb_folders import is_published_test, scan_voxceleb
from fabnet.options import takes
from fabnet.runtime.engine import engine_for
from fabnet.store.split import MOMENTS, absent_notes, splits_for
from fabnet.store.spool import spool_path
from fabnet.store.summary import split_notes

__all__ = ["ImportReport", "import_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport(RunReport):
    """What an import did, and what the store holds now."""

    frames: int
    """Frames looked at, including those of earlier runs of the same command."""
    frames_with_face: int
    """Frames in the store."""
    dropped: tuple[tuple[str, str], ...]
    """Every frame or file that was left out of its video: (source, reason)."""

    def _own_json(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "frames_with_face": self.frames_with_face,
            "dropped": [{"source": source, "reason": reason} for source, reason in self.dropped],
        }


@takes(ImportOptions)
def import_folder(
    folder: str | Path, out: str | Path, options: ImportOptions | None = None, **changes: Any
) -> ImportReport:
    """Import a folder into a track store; what an earlier run of the same command finished is skipped.

    Args:
        folder: a folder with one folder per identity.
        out: the store; created if it does not exist.
        options: all options as one object; or give them by name.

    Returns:
        What was done.

    Raises:
        InputError: the folder or the split file is missing or wrong, or the settings do not fit each other.
        NoFaceError: nothing was kept.
        StoreError: `out` is not a store, or was made with other settings.
        OutputError: the disk is full; what was finished is kept.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; what was finished is kept.
    """
    start = time.monotonic()
    options = ImportOptions.of(options, changes)
    engine = engine_for("local", num_workers=options.num_workers)
    root, out = local(folder, "folders to import"), as_place(out)
    if options.layout == "voxceleb":
        found, scanned = scan_voxceleb(root, options.speakers, has_originals=options.videos is not None)
    else:
        found, scanned = scan(root, options.layout)
    split_by_key, notes = _splits(found, options.splits)
    originals: dict[str, Path | None] = {}
    if options.videos is not None:
        texts = [each for each in found if is_text(each.tracks)]
        if not texts:
            raise InputError(
                f"{root} has no text file that refers to the videos in {options.videos}: leave out --videos"
            )
        originals, others = originals_of(root, texts, local(options.videos, "videos"))
        scanned.include(others)
    if options.crop == "detect":
        loaded_detector(options.detector, options.min_face, for_photos=True)
        found = _without_videos(found, scanned)
    tasks = [
        ImportTask(
            video=each.video,
            source=(root / each.folder).as_posix(),
            size_bytes=each.size_bytes,
            mtime=each.mtime,
            split=split_by_key[each.identity],
            spool=spool_path(out, number),
            root=root,
            identity=each.identity,
            tracks=each.tracks,
            options=options,
            original=originals.get(each.video),
            margin=each.margin,
        )
        for number, each in enumerate(found)
    ]
    done = run(
        IMPORTING, tasks, out, crop=options.spec, settings=_settings(options), splits=split_by_key, engine=engine
    )
    return _report(done, scanned, notes, time.monotonic() - start)


def _splits(found: Sequence[VideoFolder], splits: str | Path) -> tuple[dict[str, str], list[str]]:
    """The split of each identity, and notes on them."""
    names = [each.identity for each in found]
    if str(splits) != PUBLISHED:
        by_name = dict(splits_for(names, splits))
        return by_name, absent_notes(splits, by_name)
    published = {each.identity for each in found if is_published_test(each)}
    by_name = {**splits_for(names, "hash"), **dict.fromkeys(published, "test")}
    return by_name, [f"{len(published):,} published test speakers of VoxCeleb are in test"]


def _settings(options: ImportOptions) -> dict[str, Any]:
    """The settings that the rows of a store depend on."""
    mode = str(options.splits) if str(options.splits) in ("hash", MOMENTS, PUBLISHED) else "file"
    used = options.detector if options.crop == "detect" else None
    crop = "voxceleb" if options.layout == "voxceleb" else options.crop
    limit = {} if used is None or options.min_face is None else {"min_face": options.min_face}
    return {
        "verb": "import", "layout": options.layout, "crop": crop, "splits": mode, "fps": options.fps,
        "detector": used, **limit,
    }  # fmt: skip


def _num_files(tasks: Sequence[ImportTask]) -> float:
    return sum(len(track.files) for task in tasks for track in task.tracks)


IMPORTING = Job(
    work=import_video,
    label="importing",
    unit="files",
    total=_num_files,
    changed="changed since it was imported ({then} bytes then, {now} now): not imported again; import into a new store",
    commit_rows=2048,
)


def _without_videos(found: Sequence[VideoFolder], scanned: FolderScan) -> list[VideoFolder]:
    """Leave out tracks that are videos: faces are found in frames only."""
    reason = (
        "video: --crop detect is for frames. Import cropped videos with --crop none; whole scenes go through "
        "`fabnet track --identities folder`"
    )
    kept = []
    for each in found:
        frames = tuple(track for track in each.tracks if not is_video(scanned.root, track.files[0]))
        for track in each.tracks:
            if track not in frames:
                scanned.leave_out(track.files[0], reason)
        if frames:
            kept.append(replace(each, tracks=frames))
    if not kept:
        raise InputError(f"{scanned.left_out()[-1].file} is a {reason}")
    return kept


def _report(done: Run, scanned: FolderScan, notes: Sequence[str], wall_s: float) -> ImportReport:
    entries = done.entries
    failed = done.with_status("failed") + tuple((each.file, each.reason) for each in scanned.failed("image", "video"))
    dropped = tuple(each for entry in entries for each in entry.dropped)
    if done.is_empty:
        first = (dropped or failed or ((entries[0].video, entries[0].reason),))[0]
        top = entries[0].video.split("/")[0]
        raise NoFaceError(f"nothing was kept of {len(entries)} videos in {top} ...: {first[0]}: {first[1]}")
    return ImportReport(
        store=done.store,
        num_videos=len(entries),
        num_skipped=done.num_skipped,
        frames=sum(entry.frames_kept or entry.rows for entry in entries),
        frames_with_face=sum(entry.rows for entry in entries),
        dropped=dropped,
        failed=failed + done.changed,
        left_out=tuple(scanned.left_out("image", "video")),
        notes=(*split_notes(done.store), *notes),
        wall_s=wall_s,
    )
