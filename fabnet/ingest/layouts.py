"""Layouts of folders of frames or of cropped videos: which file belongs to which person, video and track."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.folder import Entry, FolderScan, left_out_lines
from fabnet.files.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Kind, kind_by_suffix

__all__ = ["LAYOUTS", "TrackFiles", "VideoFolder", "scan"]

LAYOUTS = ("identity/video/track", "identity/video", "voxceleb-txt")
NAMES = {"image": "picture", "video": "video"}


@dataclass(frozen=True, slots=True)
class TrackFiles:
    """The files of one track: frames in natural order, or one video or text file."""

    name: str
    """Name of the track, unique within its video."""
    files: tuple[str, ...]
    """Paths relative to the imported folder, with forward slashes."""


@dataclass(frozen=True, slots=True)
class VideoFolder:
    """The folder of one video, which is imported whole or not at all."""

    identity: str
    """Name of the identity's folder."""
    video: str
    """IDENTITY/VIDEO, the name in the store."""
    tracks: tuple[TrackFiles, ...]
    """Tracks in natural order."""
    size_bytes: int
    """Size of all files."""
    mtime: float
    """Time of the last change to a file, seconds since 1970."""
    folder: str
    """The folder, relative to the imported one, with forward slashes."""
    is_test: bool = False
    """Whether it lies in the test part of a release."""
    margin: float | None = None
    """Side of its pictures in sides of the face's box in their middle, from which they are cut anew; None: they are
    ready crops, frames, videos or text files."""


def scan(folder: Path, layout: str) -> tuple[list[VideoFolder], FolderScan]:
    """Find the videos and tracks in a folder.

    Args:
        folder: the folder that holds the identities' folders.
        layout: identity/video/track (IDENTITY/VIDEO/TRACK/frame.jpg, or IDENTITY/VIDEO/TRACK.mp4 of ready crops),
            identity/video (IDENTITY/VIDEO/frame.jpg), or voxceleb-txt (IDENTITY/VIDEO/TRACK.txt).

    Returns:
        The videos in natural order, and the scan of the folder, which lists what was left out.

    Raises:
        InputError: the folder is missing, the layout is unknown, or no file fits the layout.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        there = "a file" if folder.exists() else "nothing"
        raise InputError(f"cannot import {folder}: expected a folder of identities' folders; found {there}")
    scanned = FolderScan(folder)
    videos = []
    identities, files = scanned.entries(folder)
    _misplaced(scanned, files)
    for identity in identities:
        folders, files = scanned.entries(identity.path)
        _misplaced(scanned, files)
        for video in folders:
            found = _video_folder(scanned, identity.path.name, video, layout)
            if found.tracks:
                videos.append(found)
    if not videos:
        raise InputError(f"nothing to import in {folder} with the layout {layout}{_seen(folder)}")
    return videos, scanned


def _misplaced(scanned: FolderScan, files: Sequence[Entry]) -> None:
    for entry in files:
        scanned.leave_out(entry.name, "not where the layout has files: too few folders deep")


def _video_folder(scanned: FolderScan, identity: str, video: Entry, layout: str) -> VideoFolder:
    size_bytes, mtime = 0, 0.0
    tracks: list[TrackFiles] = []

    def add(name: str, entries: Sequence[Entry]) -> None:
        nonlocal size_bytes, mtime
        for entry in entries:
            size_bytes, mtime = size_bytes + entry.status.st_size, max(mtime, entry.status.st_mtime)
        if entries:
            tracks.append(TrackFiles(name, tuple(entry.name for entry in entries)))

    folders, files = scanned.entries(video.path)
    if layout == "identity/video":
        add("0", _of_kind(scanned, files, "image"))
    elif layout == "identity/video/track":
        for track in folders:
            deeper, frames = scanned.entries(track.path)
            add(track.path.name, _of_kind(scanned, frames, "image"))
            _too_deep(scanned, deeper)
    if layout != "identity/video":
        for entry in _of_kind(scanned, files, None if layout == "voxceleb-txt" else "video"):
            stem = entry.path.stem
            add(entry.path.name if any(track.name == stem for track in tracks) else stem, [entry])
    if layout != "identity/video/track":
        _too_deep(scanned, folders)
    return VideoFolder(identity, video.name, tuple(tracks), size_bytes, mtime, folder=video.name)


def _of_kind(scanned: FolderScan, files: Sequence[Entry], kind: Kind | None) -> list[Entry]:
    """The files of a kind (None: text files). The others are left out.

    A known suffix is trusted, because a release has millions of frames; their content is checked when they are read.
    """
    found = []
    for entry in files:
        if kind is None:
            is_wanted = entry.path.suffix.lower() == ".txt"
            if not is_wanted:
                scanned.leave_out(entry.name, f"not a text file: {entry.path.suffix or 'no suffix'}")
        else:
            is_known = kind_by_suffix(entry.name) == kind
            found_kind = kind if is_known else scanned.kind(entry)
            is_wanted = found_kind == kind
            if not is_wanted and found_kind is not None:
                scanned.leave_out(entry.name, f"{NAMES[found_kind]}: the layout has a {NAMES[kind]} here")
        if is_wanted:
            found.append(entry)
    return found


def _too_deep(scanned: FolderScan, folders: Sequence[Entry]) -> None:
    for entry in folders:
        scanned.leave_out(entry.name, "folder: deeper than the layout")


def _seen(folder: Path) -> str:
    """What the folder has instead, and the layout that would fit, for the message."""
    scanned = FolderScan(folder)
    for entry in scanned.walk():
        suffix = entry.path.suffix.lower()
        if suffix not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, ".txt"):
            continue
        depth = entry.name.count("/")
        fits = {
            (2, True): "; try --layout identity/video",
            (3, True): "; try --layout identity/video/track",
        }.get((depth, suffix in IMAGE_SUFFIXES), "")
        if re.search(r"(^|/)id\d{5}/", entry.name):
            fits = "; try --layout voxceleb"
        if suffix in VIDEO_SUFFIXES and depth < 2:
            fits = "; raw videos go through `fabnet track`"
        return f": found {entry.name}, {depth} folders deep{fits}"
    there = "; ".join(left_out_lines(scanned.left_out()))
    return ": found no picture, video or text file" + (f"; {there}" if there else "")
