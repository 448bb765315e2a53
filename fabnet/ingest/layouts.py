"""Layouts of folders of frames or of cropped videos: which file belongs to which person, video and track."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.folder import Entry, Look, left_out_lines
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


def scan(folder: Path, layout: str) -> tuple[list[VideoFolder], Look]:
    """Find the videos and tracks in a folder.

    Args:
        folder: the folder that holds the identities' folders.
        layout: identity/video/track (IDENTITY/VIDEO/TRACK/frame.jpg, or IDENTITY/VIDEO/TRACK.mp4 of ready crops),
            identity/video (IDENTITY/VIDEO/frame.jpg), or voxceleb-txt (IDENTITY/VIDEO/TRACK.txt).

    Returns:
        The videos in natural order, and the look into the folder, which lists what was left out.

    Raises:
        InputError: the folder is missing, the layout is unknown, or no file fits the layout.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        there = "a file" if folder.exists() else "nothing"
        raise InputError(f"cannot import {folder}: expected a folder of identities' folders; found {there}")
    look = Look(folder)
    videos = []
    identities, files = look.entries(folder)
    _misplaced(look, files)
    for identity in identities:
        folders, files = look.entries(identity.path)
        _misplaced(look, files)
        for video in folders:
            found = _video_folder(look, identity.path.name, video, layout)
            if found.tracks:
                videos.append(found)
    if not videos:
        raise InputError(f"nothing to import in {folder} with the layout {layout}{_seen(folder)}")
    return videos, look


def _misplaced(look: Look, files: Sequence[Entry]) -> None:
    for entry in files:
        look.leave_out(entry.name, "not where the layout has files: too few folders deep")


def _video_folder(look: Look, identity: str, video: Entry, layout: str) -> VideoFolder:
    size_bytes, mtime = 0, 0.0
    tracks: list[TrackFiles] = []

    def add(name: str, entries: Sequence[Entry]) -> None:
        nonlocal size_bytes, mtime
        for entry in entries:
            size_bytes, mtime = size_bytes + entry.status.st_size, max(mtime, entry.status.st_mtime)
        if entries:
            tracks.append(TrackFiles(name, tuple(entry.name for entry in entries)))

    folders, files = look.entries(video.path)
    if layout == "identity/video":
        add("0", _of_kind(look, files, "image"))
    elif layout == "identity/video/track":
        for track in folders:
            deeper, frames = look.entries(track.path)
            add(track.path.name, _of_kind(look, frames, "image"))
            _too_deep(look, deeper)
    if layout != "identity/video":
        for entry in _of_kind(look, files, None if layout == "voxceleb-txt" else "video"):
            stem = entry.path.stem
            add(entry.path.name if any(track.name == stem for track in tracks) else stem, [entry])
    if layout != "identity/video/track":
        _too_deep(look, folders)
    return VideoFolder(identity, video.name, tuple(tracks), size_bytes, mtime, folder=video.name)


def _of_kind(look: Look, files: Sequence[Entry], kind: Kind | None) -> list[Entry]:
    """The files of a kind (None: text files). The others are left out.

    A known suffix is trusted, because a release has millions of frames; their content is checked when they are read.
    """
    found = []
    for entry in files:
        if kind is None:
            is_wanted = entry.path.suffix.lower() == ".txt"
            if not is_wanted:
                look.leave_out(entry.name, f"not a text file: {entry.path.suffix or 'no suffix'}")
        else:
            is_known = kind_by_suffix(entry.name) == kind
            found_kind = kind if is_known else look.kind(entry)
            is_wanted = found_kind == kind
            if not is_wanted and found_kind is not None:
                look.leave_out(entry.name, f"{NAMES[found_kind]}: the layout has a {NAMES[kind]} here")
        if is_wanted:
            found.append(entry)
    return found


def _too_deep(look: Look, folders: Sequence[Entry]) -> None:
    for entry in folders:
        look.leave_out(entry.name, "folder: deeper than the layout")


def _seen(folder: Path) -> str:
    """What the folder has instead, and the layout that would fit, for the message."""
    look = Look(folder)
    for entry in look.walk():
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
    there = "; ".join(left_out_lines(look.left_out()))
    return ": found no picture, video or text file" + (f"; {there}" if there else "")
