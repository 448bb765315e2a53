"""The videos of a command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError, VideoError
from fabnet.files.folder import FolderScan, LeftOut, left_out_lines, natural, shown_name, wrong_name
from fabnet.files.kinds import VIDEO_SUFFIXES
from fabnet.files.limits import what_is
from fabnet.files.places import local, several

__all__ = ["VideoFile", "Videos", "check_name", "find_videos"]


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video to track."""

    path: Path
    """Path of the file."""
    name: str
    """Name in the store: the path below the folder given, with forward slashes; for a single file, its file name."""
    folder: str
    """Name of its parent folder."""
    size_bytes: int
    """Size of the file."""
    mtime: float
    """Time of its last change, in seconds since 1970."""
    inode: tuple[int, int]
    """Device and inode, which identify the file under all of its names."""


@dataclass(frozen=True, slots=True)
class Videos:
    """The videos of a command, and everything that was left out."""

    found: tuple[VideoFile, ...]
    """Videos to track."""
    failed: tuple[tuple[str, str], ...]
    """Files with a video's suffix that cannot be read: (name, reason)."""
    left_out: tuple[LeftOut, ...]
    """Everything else in the folders given."""


def check_name(path: Path) -> None:
    """Refuse a file whose name cannot be stored.

    Raises:
        InputError: the name is not valid UTF-8.
    """
    if (reason := wrong_name(path)) is not None:
        raise InputError(f"{shown_name(path)} has a {reason}")


def find_videos(paths: Path | str | Iterable[Path | str]) -> Videos:
    """Expand files and folders to videos: files with any name; folders by content, on all levels.

    A file that is given twice counts once, under its first name. Files that cannot be read are listed and do not stop
    the rest.

    Raises:
        InputError: a path does not exist, a folder has no video, or two files given have the same name.
        VideoError: none of the files with a video's suffix can be read.
    """
    given = [local(path, "videos") for path in several(paths)]
    if not given:
        raise InputError("no video given: name a video or a folder of videos")
    found: dict[str, VideoFile] = {}
    by_inode: dict[tuple[int, int], VideoFile] = {}
    failed: list[tuple[str, str]] = []
    left_out: list[LeftOut] = []
    for path in given:
        if not path.exists():
            raise InputError(f"no such video or folder: {shown_name(path)}")
    for path in given:
        special = None if path.is_dir() else what_is(path.stat().st_mode)
        if special is not None:
            failed.append((shown_name(path.name), f"{path} is {special}; expected a video file"))
            continue
        if path.is_dir():
            inside = _below(path)
            failed += inside.failed
            left_out += inside.left_out
        for video in inside.found if path.is_dir() else [_named(path)]:
            first = by_inode.setdefault(video.inode, video) if video.inode[1] else video
            if first.name != video.name and _place(first) != _place(video):
                left_out.append(LeftOut(video.name, f"same file under a second name: {first.name}"))
                continue
            other = found.setdefault(first.name, first)
            if other is first:
                continue
            advice = "give a folder that contains both, so that their names differ"
            if not path.is_dir():
                raise InputError(f"two videos are named {video.name}: {other.path} and {video.path}; {advice}")
            failed.append((video.name, f"another video has the same name: {other.path} and {video.path}; {advice}"))
    if not found:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise VideoError(f"no video can be read: {': '.join(failed[0])}{more}")
    return Videos(tuple(found.values()), tuple(failed), tuple(left_out))


def _below(folder: Path) -> Videos:
    scanned, found = FolderScan(folder), []
    for entry in scanned.walk():
        kind = scanned.kind(entry)
        if kind == "video":
            found.append(_video(entry.path, entry.name, entry.status))
        elif kind == "image":
            scanned.leave_out(entry.name, "picture: `fabnet import` and `fabnet embed` read pictures")
    left_out, failed = scanned.left_out("video"), scanned.failed("video")
    if not found and not failed:
        raise InputError(_no_video(shown_name(folder), left_out))
    found.sort(key=lambda video: natural(video.name))
    return Videos(tuple(found), tuple((each.file, each.reason) for each in failed), tuple(left_out))


def _no_video(where: str, left_out: Sequence[LeftOut]) -> str:
    there = f"; {'; '.join(left_out_lines(left_out))}" if left_out else ""
    return f"no video in {where}: expected files ending in {' '.join(VIDEO_SUFFIXES)}{there}"


def _place(video: VideoFile) -> Path:
    """Path of a file or link, with its folder's symlinks resolved."""
    return video.path.parent.resolve() / video.path.name


def _named(path: Path) -> VideoFile:
    check_name(path)
    return _video(path, path.name, path.stat())


def _video(path: Path, name: str, status: os.stat_result) -> VideoFile:
    folder = Path(os.path.abspath(path)).parent.name  # resolves `..`
    return VideoFile(path, name, folder, status.st_size, status.st_mtime, (status.st_dev, status.st_ino))
