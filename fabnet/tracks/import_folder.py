"""`fabnet import`: folders of frames, or of videos of ready crops, to a track store."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow as pa

from fabnet.errors import FabnetError, InputError, NoFaceError
from fabnet.progress import progress
from fabnet.tracks.rows import encode_jpeg, make_batch
from fabnet.tracks.split import read_splits, split_of
from fabnet.tracks.store import create_store
from fabnet.video import CropSpec, crop_faces, load_detector, read_frames
from fabnet.video.faces import Face

__all__ = ["IMAGE_SUFFIXES", "LAYOUTS", "VIDEO_SUFFIXES", "ImportResult", "import_folder"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp")
LAYOUTS = ("identity/video/track", "identity/video")
ROWS_A_COMMIT = 2000
Layout = Literal["identity/video/track", "identity/video"]


@dataclass(frozen=True)
class _Track:
    """A track to import: the frames of a folder, or a video of ready crops."""

    identity: str
    video: str
    track: str
    files: tuple[Path, ...]


@dataclass
class ImportResult:
    """What was imported.

    Attributes:
        out: the store.
        frames: found in the folder (of videos of crops: frames taken).
        rows: written.
        tracks: with a row.
        identities: with a row.
        tracks_too_short: with one row only: nothing to train on.
        dropped: frames and videos left out, with the reason.
    """

    out: Path
    frames: int = 0
    rows: int = 0
    tracks: int = 0
    identities: int = 0
    tracks_too_short: int = 0
    dropped: list[tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"out": str(self.out)}


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which frame 2 comes before frame 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _list_tracks(folder: Path, layout: Layout) -> list[_Track]:
    """The tracks of a folder, by its layout; videos of crops stand where a track's folder would."""
    levels = layout.count("/")
    found = []
    for place in sorted(folder.glob("/".join(["*"] * (levels + 1)))):
        if place.is_symlink() and not place.resolve().is_relative_to(folder.resolve()):
            continue
        names = place.relative_to(folder).parts
        if place.is_dir():
            files = [file for file in place.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        elif place.suffix.lower() in VIDEO_SUFFIXES:
            files, names = [place], (*names[:-1], place.stem)
        else:
            continue
        if files:
            track = names[2] if levels == 2 else "0"
            found.append(_Track(names[0], names[1], track, tuple(sorted(files, key=_natural))))
    return found


def import_folder(
    folder: str | Path,
    out: str | Path,
    *,
    layout: Layout = "identity/video/track",
    crop: Literal["none", "detect"] = "none",
    splits: str | Path = "hash",
    size: int = 256,
    fps: float = 1.0,
    detector: str = "mtcnn",
    num_workers: int = 2,
) -> ImportResult:
    """Make a track store of folders of frames.

    IDENTITY/VIDEO/TRACK/frame.jpg, or IDENTITY/VIDEO/frame.jpg with one track a video. In place of a folder of frames
    there may be a video of ready crops (VoxCeleb2's ID/VIDEO/UTTERANCE.mp4).

    Args:
        folder: to read.
        out: the store to make.
        layout: what the levels of folders are.
        crop: "none" takes each frame as a face crop; "detect" finds the face in each frame and cuts it out (the
            largest; nothing is smoothed, since frames may lie seconds apart).
        splits: "hash", or a CSV file with the columns identity,split.
        size: of the stored crops in pixels.
        fps: frames a second taken of videos of crops.
        detector: name of the face detector.
        num_workers: processes.

    Returns:
        What was imported, with every frame that was left out and why.

    Raises:
        InputError: the folder is missing or holds no frames in this layout, or an identity is missing in the split
            file.
        NoFaceError: no face was found in any frame.
        StoreError: something lies at `out` already.
        OutputError: the disk is full.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    tracks = _list_tracks(folder, layout)
    if not tracks:
        raise InputError(f"{folder} holds no frames as {layout.upper()}/frame.jpg; is --layout right?")
    split_by_identity = _splits([track.identity for track in tracks], splits)
    spec = CropSpec(size=size, smoothing_s=0.0)
    store = create_store(
        out, crop_spec=spec.to_json() if crop == "detect" else None, split_mode="hash" if splits == "hash" else "file"
    )
    result = ImportResult(out)
    work = partial(_import_track, folder=folder, splits=split_by_identity, crop=crop, spec=spec, fps=fps,
                   detector=detector)  # fmt: skip
    context = multiprocessing.get_context("spawn")
    identities: set[str] = set()
    waiting: list[pa.RecordBatch] = []
    with (
        ProcessPoolExecutor(max(1, num_workers), mp_context=context, initializer=_one_thread) as pool,
        progress("importing", total=len(tracks), unit="tracks") as bar,
    ):
        for track, (batch, num_frames, dropped) in zip(tracks, pool.map(work, tracks, chunksize=4), strict=True):
            result.frames += num_frames
            result.dropped += dropped
            if batch is not None:
                waiting.append(batch)
                result.rows += batch.num_rows
                result.tracks += 1
                result.tracks_too_short += batch.num_rows < 2
                identities.add(track.identity)
            if sum(part.num_rows for part in waiting) >= ROWS_A_COMMIT:
                store.append(waiting)
                waiting = []
            bar.advance()
    store.append(waiting)
    store.compact()
    result.identities = len(identities)
    if not result.rows:
        source, reason = result.dropped[0]
        raise NoFaceError(f"nothing of {folder} could be imported; the first of {len(result.dropped)}: {source}: {reason}")
    return result


def _splits(identities: Sequence[str], splits: str | Path) -> dict[str, str]:
    if splits == "hash":
        return {identity: split_of(identity) for identity in identities}
    known = read_splits(Path(splits))
    missing = sorted(set(identities) - set(known))
    if missing:
        raise InputError(f"{splits} has no split for {missing[0]!r} (and {len(missing) - 1} more); add a line for each")
    return known


def _one_thread() -> None:
    cv2.setNumThreads(1)


_detectors: dict[str, Any] = {}


def _detector(name: str) -> Any:
    """A process's own detector."""
    if name not in _detectors:
        _detectors[name] = load_detector(name)
    return _detectors[name]


def _pictures(files: Sequence[Path], fps: float) -> Iterator[tuple[Path, float, np.ndarray | str]]:
    """Files' pictures, RGB, with their times (NaN for a lone frame); a string says why there is none."""
    for file in files:
        if file.suffix.lower() in VIDEO_SUFFIXES:
            try:
                for frame in read_frames(file, fps=fps):
                    yield file, frame.time_s, frame.image
            except FabnetError as error:
                yield file, float("nan"), str(error)
            continue
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            yield file, float("nan"), f"not an image ({file.stat().st_size} bytes)"
        else:
            yield file, float("nan"), np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _import_track(
    track: _Track, *, folder: Path, splits: dict[str, str], crop: str, spec: CropSpec, fps: float, detector: str
) -> tuple[pa.RecordBatch | None, int, list[tuple[str, str]]]:
    """One track's rows, the number of its frames, and what was left out with the reason."""
    rows, dropped, number = [], [], 0
    for file, time_s, image in _pictures(track.files, fps):
        source = file.relative_to(folder).as_posix()
        if isinstance(image, str):
            dropped.append((source, image))
            number += 1
            continue
        face = _whole(image, spec.size) if crop == "none" else _largest(image, detector, spec)
        if face is None:
            dropped.append((source, "no face found"))
        else:
            rows.append(
                {
                    "identity": track.identity, "video": track.video, "track": track.track, "frame": number,
                    "time_s": time_s, "source": source, "box_px": face.box_px, "crop_box_px": face.crop_box_px,
                    "landmarks5_px": face.landmarks5_px.reshape(-1), "score": face.score,
                    "split": splits[track.identity], "image": encode_jpeg(face.image, spec.jpeg_quality),
                }
            )  # fmt: skip
        number += 1
    return (make_batch(rows) if rows else None), number, dropped


def _largest(image: np.ndarray, detector: str, spec: CropSpec) -> Face | None:
    return next(iter(crop_faces(image, detector=_detector(detector), spec=spec)), None)


def _whole(image: np.ndarray, size: int) -> Face:
    """A ready crop as a face: its box is the whole picture, its points are unknown (NaN)."""
    height, width = image.shape[:2]
    box = np.array([0, 0, width, height], dtype=np.float32)
    shrinks = min(height, width) > size
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    points = np.full((5, 2), np.nan, dtype=np.float32)
    return Face(np.asarray(resized), box, box, 1.0, points, np.array([[size / width, 0, 0], [0, size / height, 0.0]]))
