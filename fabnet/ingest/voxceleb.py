"""VoxCeleb's text files, which give the box of a face in frames of an original video.

A file IDENTITY/VIDEO/UTTERANCE.txt has header lines `Identity : id00012`, `Reference : _raOc3-IRsw` (the name of the
original video), `Offset`, `FV Conf`, `ASD Conf`, then `FRAME X Y W H` and one line per frame. Frames count from 0 at 25
per second; X, Y, W, H are the box's left, top, width and height: pixels in VoxCeleb1, shares of the frame in VoxCeleb2.

Source: the text files of the VoxCeleb1 and VoxCeleb2 releases (Nagrani et al., Interspeech 2017; Chung et al.,
Interspeech 2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabnet.errors import InputError, VideoError
from fabnet.files.folder import FolderScan, LeftOut
from fabnet.files.kinds import kind_by_suffix
from fabnet.files.limits import MAX_TABLE_BYTES, read_bytes
from fabnet.ingest.layouts import TrackFiles, VideoFolder
from fabnet.video.decode import read_frames

__all__ = ["BoxedFrame", "Utterance", "boxed_frames", "find_originals", "originals_of", "read_utterance"]

LISTED_FPS = 25.0
MAX_SHARE = 2.0
"""Largest number in a file of shares of the frame; larger ones are pixels, because no face is 2 pixels wide."""
MAX_FRAMES_WIDE = 2.0
"""Upper bound of a box's width and height in those of the frame, because a larger crop would fill the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One text file."""

    identity: str
    """Name of the person in the header."""
    reference: str
    """Name of the original video."""
    frames: np.ndarray
    """(N,) int64 frame numbers at 25 a second, ascending."""
    boxes: np.ndarray
    """(N, 4) float64 left, top, width, height."""
    is_share: bool
    """Whether the boxes are in shares of the frame, not in pixels."""

    def kept(self, fps: float) -> np.ndarray:
        """(n,) int64 indices of the first frame at or after each tick of 1 / fps of the video's time."""
        ticks = np.floor(self.frames / LISTED_FPS * fps + 1e-9)
        return np.flatnonzero(np.diff(ticks, prepend=ticks[0] - 1) > 0)

    def box_px(self, index: int, width: int, height: int) -> np.ndarray:
        """A box, (4,) float32 x0, y0, x1, y1, in pixels of a frame of this size.

        Raises:
            InputError: the box is far larger than the frame.
        """
        scale = np.array([width, height, width, height]) if self.is_share else np.ones(4)
        left, top, wide, high = self.boxes[index] * scale
        if wide > MAX_FRAMES_WIDE * width or high > MAX_FRAMES_WIDE * height:
            found = f"the box is {wide:.0f} x {high:.0f} px, the frame {width} x {height}"
            raise InputError(f"frame {self.frames[index]}: {found}")
        return np.array([left, top, left + wide, top + high], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class BoxedFrame:
    """A frame of an original video with a listed face."""

    track: str
    """Name of the utterance."""
    source: str
    """Path of the text file."""
    frame: int
    """Index of the frame in the original, in decode order."""
    time_s: float
    """Time stamp of the frame in seconds."""
    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    box_px: np.ndarray
    """(4,) float32 x0, y0, x1, y1."""


def read_utterance(path: Path) -> Utterance:
    """Read one text file.

    Raises:
        InputError: the file does not have VoxCeleb's form.
    """
    header: dict[str, str] = {}
    rows: list[list[float]] | None = None
    for number, line in enumerate(read_bytes(path, MAX_TABLE_BYTES).decode(errors="replace").splitlines(), start=1):
        if line.split() == ["FRAME", "X", "Y", "W", "H"]:
            rows = []
        elif rows is None and ":" in line:
            key, _, value = line.partition(":")
            header[key.strip()] = value.strip()
        elif rows is not None and line.strip():
            rows.append(_numbers(path, number, line))
    if not rows or "Reference" not in header:
        raise InputError(
            f"{path} is not a VoxCeleb text file: expected a line `Reference : VIDEO` and lines FRAME X Y W H"
        )
    table = np.array(sorted(rows), np.float64)
    boxes = table[:, 1:]
    is_share = bool(np.abs(boxes).max() <= MAX_SHARE)
    return Utterance(header.get("Identity", ""), header["Reference"], table[:, 0].astype(np.int64), boxes, is_share)


def _numbers(path: Path, number: int, line: str) -> list[float]:
    try:
        values = [float(part) for part in line.split()]
    except ValueError:
        values = []
    if len(values) != 5 or not all(map(math.isfinite, values)) or min(values[3:]) <= 0 or values[0] < 0:
        raise InputError(f"{path}, line {number}: expected FRAME X Y W H, five numbers; found {line.strip()!r}")
    return values


def find_originals(videos: Path) -> tuple[dict[str, Path], list[LeftOut]]:
    """Find original videos by name in a folder, on all levels.

    Returns:
        Paths by file name without suffix, and the other files in the folder.

    Raises:
        InputError: the folder is missing, or has no video.
    """
    if not videos.is_dir():
        raise InputError(f"no such folder of original videos: {videos} (--videos)")
    scanned, found = FolderScan(videos), dict[str, Path]()
    for entry in scanned.walk():
        if kind_by_suffix(entry.name) != "video":
            scanned.leave_out(entry.name, f"not a video by its name: {entry.path.suffix or 'no suffix'}")
            continue
        first = found.setdefault(entry.path.stem, entry.path)
        if first != entry.path:
            scanned.leave_out(entry.name, f"another original has this reference: {first}")
    if not found:
        raise InputError(f"no video in {videos} (--videos): expected the originals, named by their references")
    return found, scanned.left_out()


def originals_of(
    root: Path, folders: Sequence[VideoFolder], videos: Path
) -> tuple[dict[str, Path | None], list[LeftOut]]:
    """Find the original video of each folder of text files.

    Args:
        root: the folder that the paths of text files start at.
        folders: the folders, each named after its original; otherwise, its first text file names it.
        videos: the folder of original videos.

    Returns:
        The original by `VideoFolder.video`, None if it is missing; and the other files in the folder of originals.

    Raises:
        InputError: the folder of originals is missing, or has none of them.
    """
    known, left_out = find_originals(videos)
    originals = {}
    for each in folders:
        name = Path(each.video).name
        if name not in known:
            try:
                name = read_utterance(root / each.tracks[0].files[0]).reference
            except (InputError, OSError):
                name = ""
        originals[each.video] = known.get(name)
    if not any(originals.values()):
        raise InputError(f"{videos} has none of the {len(folders)} original videos: name them by their references")
    return originals, left_out


def boxed_frames(
    root: Path, tracks: Sequence[TrackFiles], original: Path, *, fps: float, dropped: list[tuple[str, str]]
) -> Iterator[BoxedFrame]:
    """Decode an original video once, and yield the frames that its text files list.

    Args:
        root: the folder that the text files' paths start at.
        tracks: the text files.
        original: the video.
        fps: frames kept per second.
        dropped: list to which frames and files that are left out are added: (text file, reason).

    Yields:
        Frames in order of time; those of several utterances may interleave.
    """
    wanted: list[tuple[float, int, int]] = []
    utterances: list[Utterance] = []
    for track in tracks:
        try:
            utterance = read_utterance(root / track.files[0])
        except (InputError, OSError) as error:
            dropped.append((track.files[0], getattr(error, "strerror", None) or str(error)))
            continue
        times = utterance.frames / LISTED_FPS
        wanted += [(float(times[index]), len(utterances), int(index)) for index in utterance.kept(fps)]
        utterances.append(utterance)
    names = [track for track in tracks if track.files[0] not in {file for file, _ in dropped}]
    wanted.sort(reverse=True)
    reason = f"{original.name} ends before"
    try:
        for frame in read_frames(original, fps=LISTED_FPS) if wanted else ():
            height, width = frame.image.shape[:2]
            due: dict[int, int] = {}  # several boxes may be due if the original has fewer frames: the last one counts
            while wanted and wanted[-1][0] <= frame.time_s + 1e-3:
                _, which, index = wanted.pop()
                due[which] = index
            for which, index in due.items():
                track = names[which]
                try:
                    box = utterances[which].box_px(index, width, height)
                except InputError as error:
                    dropped.append((track.files[0], str(error)))
                else:
                    yield BoxedFrame(track.name, track.files[0], frame.index, frame.time_s, frame.image, box)
            if not wanted:
                return
    except VideoError as error:
        reason = str(error)
    dropped += [
        (names[which].files[0], f"frame {utterances[which].frames[index]}: {reason}") for _, which, index in wanted
    ]
