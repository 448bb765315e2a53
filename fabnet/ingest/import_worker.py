"""What a worker does with the folder of one video: its files become rows in a spool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fabnet.errors import InputError, VideoError
from fabnet.faces.crop import crop_box, cut
from fabnet.faces.detect.detection import Detection
from fabnet.faces.find import chosen_face, loaded_detector
from fabnet.faces.picture import decode_picture, jpeg_bytes
from fabnet.files.kinds import kind_by_content, kind_by_suffix, read_head
from fabnet.files.limits import read_bytes
from fabnet.ingest.layouts import TrackFiles
from fabnet.ingest.options import ImportOptions
from fabnet.ingest.runner import Finished, IngestTask
from fabnet.ingest.voxceleb import boxed_frames
from fabnet.store.schema import Row
from fabnet.store.spool import SpoolWriter
from fabnet.video.decode import read_frames

__all__ = ["ImportTask", "import_video", "is_text", "is_video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTask(IngestTask):
    """The folder of one video to import."""

    root: Path
    """The imported folder, which the paths of files start at."""
    identity: str
    """Name of the person in the video."""
    tracks: tuple[TrackFiles, ...]
    """The files to import, by track."""
    options: ImportOptions
    """How faces are found and cut out."""
    original: Path | None = None
    """The original video that text files describe; None: it is missing, or the files are not text files."""
    margin: float | None = None
    """As in `VideoFolder`."""


@dataclass(slots=True)
class _Tally:
    """What came of the files so far."""

    frames: int = 0
    """Frames looked at."""
    dropped: list[tuple[str, str]] = field(default_factory=list)
    """Frames and files left out: (source, reason)."""


def import_video(task: ImportTask, report: Callable[[float], None]) -> Finished:
    """Write the rows of one video's folder to the task's spool.

    Args:
        task: the folder.
        report: called with the number of files done since the last call.

    Returns:
        The ledger entry; a file that cannot be used is among the dropped ones, with its reason.

    Raises:
        InputError: the original video is missing.
        OutputError: the disk is full.
    """
    cv2.setNumThreads(1)
    tally = _Tally()
    with SpoolWriter(task.spool) as spool:
        for row in _rows(task, tally, report):
            spool.add(row)
    rows = spool.num_rows
    status = "ok" if not tally.dropped else "partial" if rows else "no-face"
    if not tally.frames:
        status = "failed"
    reason = f"{len(tally.dropped)} left out; the first: {tally.dropped[0][1]}" if tally.dropped else ""
    return Finished(
        task.entry(status, reason, spool=spool, frames_kept=tally.frames, frames_with_face=rows, dropped=tally.dropped)
    )


def _rows(task: ImportTask, tally: _Tally, report: Callable[[float], None]) -> Iterator[Row]:
    if is_text(task.tracks):
        if task.original is None:
            raise InputError("its original video is not there")
        yield from _boxed_rows(task, task.original, tally, report)
        return
    for track in task.tracks:
        if is_video(task.root, track.files[0]):
            yield from _cropped_video_rows(task, track, tally)
            report(1)
        else:
            yield from _frame_rows(task, track, tally, report)


def is_text(tracks: Sequence[TrackFiles]) -> bool:
    """Whether the tracks of a video are VoxCeleb's text files."""
    return tracks[0].files[0].lower().endswith(".txt")


def is_video(root: Path, file: str) -> bool:
    """Whether a track's first file is a video: by its suffix, or by its content if the suffix is unknown."""
    kind = kind_by_suffix(file)
    if kind is None:
        try:
            kind = kind_by_content(file, read_head(root / file))
        except OSError:
            return False  # it vanished after it was listed; the code that reads it reports that
    return kind == "video"


def _frame_rows(task: ImportTask, track: TrackFiles, tally: _Tally, report: Callable[[float], None]) -> Iterator[Row]:
    for index, file in enumerate(track.files):
        tally.frames += 1
        try:
            data = read_bytes(task.root / file)
        except (OSError, InputError) as error:
            tally.dropped.append((file, f"cannot be read ({getattr(error, 'strerror', None) or error})"))
            report(1)
            continue
        try:
            image = _decoded(data)
        except InputError as error:
            tally.dropped.append((file, str(error)))
            report(1)
            continue
        if task.margin is not None:
            yield _cut_row(task, track.name, index, file, image, task.margin)
        elif task.options.crop != "detect":
            yield _ready_row(task, track.name, index, None, file, image, data)
        else:
            found = loaded_detector(task.options.detector, task.options.min_face, for_photos=True)(image)
            face = chosen_face(found, image.shape[1], image.shape[0])
            if face is None:
                tally.dropped.append((file, "no face found"))
            else:
                yield _detected_row(task, track.name, index, file, image, face)
        report(1)


def _cropped_video_rows(task: ImportTask, track: TrackFiles, tally: _Tally) -> Iterator[Row]:
    file = track.files[0]
    try:
        for frame in read_frames(task.root / file, fps=task.options.fps):
            tally.frames += 1
            yield _ready_row(task, track.name, frame.index, frame.time_s, file, frame.image, b"")
    except VideoError as error:
        tally.frames = max(tally.frames, 1)
        tally.dropped.append((file, str(error)))


def _boxed_rows(task: ImportTask, original: Path, tally: _Tally, report: Callable[[float], None]) -> Iterator[Row]:
    for boxed in boxed_frames(task.root, task.tracks, original, fps=task.options.fps, dropped=tally.dropped):
        square = crop_box(boxed.box_px, task.options.spec)
        tally.frames += 1
        yield _row(
            task, boxed.track, boxed.frame, boxed.time_s, boxed.source, cut(boxed.image, square, task.options.size),
            crop_box_px=square, box_px=boxed.box_px,
        )  # fmt: skip
    tally.frames += len(tally.dropped)
    report(len(task.tracks))


def _detected_row(task: ImportTask, track: str, index: int, file: str, image: np.ndarray, face: Detection) -> Row:
    square = crop_box(face.box_px, task.options.spec)
    return _row(
        task, track, index, None, file, cut(image, square, task.options.size),
        crop_box_px=square, box_px=face.box_px, landmarks5_px=face.landmarks5_px, score=face.score,
    )  # fmt: skip


def _cut_row(task: ImportTask, track: str, index: int, file: str, image: np.ndarray, margin: float) -> Row:
    """The store's crop, cut from a picture that shows `margin` times the face's box around its middle."""
    height, width = image.shape[:2]
    half = min(height, width) / margin / 2
    box = np.array([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half], np.float32)
    square = crop_box(box, task.options.spec)
    return _row(task, track, index, None, file, cut(image, square, task.options.size), crop_box_px=square)


def _ready_row(
    task: ImportTask, track: str, frame: int, time_s: float | None, file: str, image: np.ndarray, data: bytes
) -> Row:
    """A ready crop: its bytes unchanged if they fit, otherwise its central square at the store's size."""
    height, width = image.shape[:2]
    size, side = task.options.size, min(image.shape[:2])
    left, top = (width - side) // 2, (height - side) // 2
    square = np.array([left, top, left + side, top + side], np.float32)
    if data[:3] == b"\xff\xd8\xff" and height == width == size and b"Exif\0" not in data[:64]:
        return _row(task, track, frame, time_s, file, data, crop_box_px=square)
    middle = np.ascontiguousarray(image[top : top + side, left : left + side])
    if side != size:
        shrinks = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        middle = cv2.resize(middle, (size, size), interpolation=shrinks)
    return _row(task, track, frame, time_s, file, middle, crop_box_px=square)


def _row(
    task: ImportTask, track: str, frame: int, time_s: float | None, source: str, image: np.ndarray | bytes,
    *, crop_box_px: np.ndarray, box_px: np.ndarray | None = None, landmarks5_px: np.ndarray | None = None,
    score: float | None = None,
) -> Row:  # fmt: skip
    data = image if isinstance(image, bytes) else jpeg_bytes(image, task.options.spec.jpeg_quality)
    return Row(
        task.identity, task.video, track, frame, time_s, source, task.split, data,
        crop_box_px, box_px, landmarks5_px, score,
    )  # fmt: skip


def _decoded(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    if not data:
        raise InputError("empty (0 bytes)")
    if _is_cut_short(data):
        raise InputError("truncated")
    return decode_picture(data)


def _is_cut_short(data: bytes) -> bool:
    """Whether a JPEG's last scan has no end: decoders fill the rest with grey without an error."""
    return data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
