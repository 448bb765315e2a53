"""Folders of frames or of cropped videos: which file is whose."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError
from fabnet.tracks.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, check_inside, natural

__all__ = ["LAYOUTS", "TrackFiles", "VideoFolder", "scan"]

LAYOUTS = ("identity/video/track", "identity/video", "voxceleb-txt")


@dataclass(frozen=True, slots=True)
class TrackFiles:
    """The files of one track: its frames in natural order, or one video or text file."""

    name: str
    """Name of the track, unique in its video."""
    files: tuple[str, ...]
    """Paths relative to the imported folder, with forward slashes."""


@dataclass(frozen=True, slots=True)
class VideoFolder:
    """One video's folder: the unit that is imported whole or not at all."""

    identity: str
    """Name of the identity's folder."""
    video: str
    """IDENTITY/VIDEO."""
    tracks: tuple[TrackFiles, ...]
    """In natural order."""
    size_bytes: int
    """Of all its files."""
    mtime: float
    """Of the newest of its files, seconds since 1970."""


def scan(folder: Path, layout: str) -> list[VideoFolder]:
    """Find the videos and tracks in a folder.

    Args:
        folder: the folder that holds the identities' folders.
        layout: identity/video/track (IDENTITY/VIDEO/TRACK/frame.jpg, or IDENTITY/VIDEO/TRACK.mp4 of ready crops),
            identity/video (IDENTITY/VIDEO/frame.jpg), or voxceleb-txt (IDENTITY/VIDEO/TRACK.txt).

    Returns:
        The videos in natural order.

    Raises:
        InputError: no such folder, an unknown layout, nothing where the layout says it should be, or a link that leads
            out of the folder.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        there = "a file" if folder.exists() else "nothing"
        raise InputError(f"cannot import {folder}: expected a folder of identities' folders; found {there}")
    videos = []
    for identity in _folders(folder, folder):
        for video in _folders(folder, identity):
            found = _video_folder(folder, identity.name, video, layout)
            if found.tracks:
                videos.append(found)
    if not videos:
        raise InputError(f"nothing to import in {folder} with the layout {layout}{_seen(folder)}")
    return videos


def _video_folder(root: Path, identity: str, video: Path, layout: str) -> VideoFolder:
    size_bytes, mtime = 0, 0.0
    tracks: list[TrackFiles] = []

    def add(name: str, entries: list[os.DirEntry[str]]) -> None:
        nonlocal size_bytes, mtime
        for entry in entries:
            check_inside(root, Path(entry.path))
            status = entry.stat()
            size_bytes, mtime = size_bytes + status.st_size, max(mtime, status.st_mtime)
        if entries:
            tracks.append(TrackFiles(name, tuple(Path(entry.path).relative_to(root).as_posix() for entry in entries)))

    if layout == "identity/video":
        add("0", _files(video, IMAGE_SUFFIXES))
    else:
        suffixes = (".txt",) if layout == "voxceleb-txt" else VIDEO_SUFFIXES
        if layout == "identity/video/track":
            for track in _folders(root, video):
                add(track.name, _files(track, IMAGE_SUFFIXES))
        for entry in _files(video, suffixes):
            stem = Path(entry.name).stem
            add(entry.name if any(track.name == stem for track in tracks) else stem, [entry])
    return VideoFolder(identity, f"{identity}/{video.name}", tuple(tracks), size_bytes, mtime)


def _folders(root: Path, folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    for path in found:
        check_inside(root, path)
    return sorted(found, key=lambda path: natural(path.name))


def _files(folder: Path, suffixes: Collection[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [
            entry
            for entry in entries
            if os.path.splitext(entry.name)[1].lower() in suffixes
            and not entry.name.startswith(".")
            and entry.is_file()
        ]
    return sorted(found, key=lambda entry: natural(entry.name))


def _seen(folder: Path) -> str:
    """What there is instead, so that the message can say which layout would fit."""
    for path in _walk(folder):
        suffix = path.suffix.lower()
        if suffix not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, ".txt"):
            continue
        depth = len(path.relative_to(folder).parts) - 1
        fits = {
            (2, True): "; try --layout identity/video",
            (3, True): "; try --layout identity/video/track",
        }.get((depth, suffix in IMAGE_SUFFIXES), "")
        if suffix in VIDEO_SUFFIXES and depth < 2:
            fits = "; raw videos go through `fabnet track`"
        return f": found {path.relative_to(folder).as_posix()}, {depth} folders deep{fits}"
    return ": found no picture, video or text file"


def _walk(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            yield Path(where) / name
