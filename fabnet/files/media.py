"""The videos of a command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError, VideoError
from fabnet.files.folder import LeftOut, Look, left_out_lines, natural, shown_name, wrong_name
from fabnet.files.kinds import VIDEO_SUFFIXES
from fabnet.files.limits import what_is
from fabnet.files.places import local, several

__all__ = ["VideoFile", "Videos", "check_name", "find_videos"]


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video to track."""

    path: Path
    """The file."""
    name: str
    """Its name in the store: the path below the folder given, with forward slashes; the file name of a lone file."""
    folder: str
    """Name of the folder it lies in."""
    size_bytes: int
    """Of the file."""
    mtime: float
    """When it was last changed, seconds since 1970."""
    inode: tuple[int, int]
    """Device and number of the file, whatever it is called."""


@dataclass(frozen=True, slots=True)
class Videos:
    """The videos of a command, and what is not among them."""

    found: tuple[VideoFile, ...]
    """To track."""
    failed: tuple[tuple[str, str], ...]
    """Videos by their names that cannot be read: (name, reason)."""
    left_out: tuple[LeftOut, ...]
    """All else in the folders given."""


def check_name(path: Path) -> None:
    """Refuse a file whose name cannot be stored.

    Raises:
        InputError: it is not.
    """
    if (reason := wrong_name(path)) is not None:
        raise InputError(f"{shown_name(path)} has a {reason}")


def find_videos(paths: Path | str | Iterable[Path | str]) -> Videos:
    """Expand files and folders to videos: files as given, whatever they are called; folders by content, all levels.

    A file that is given twice counts once, under its first name. What cannot be read is listed; it does not stop the
    rest.

    Raises:
        InputError: a path does not exist, a folder has no video, or two files given have the same name.
        VideoError: there are videos by their names, and none can be read.
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
            advice = "give the folder that both lie in, so that their names tell them apart"
            if not path.is_dir():
                raise InputError(f"two videos are called {video.name}: {other.path} and {video.path}; {advice}")
            failed.append((video.name, f"another video has the same name: {other.path} and {video.path}; {advice}"))
    if not found:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise VideoError(f"no video can be read: {': '.join(failed[0])}{more}")
    return Videos(tuple(found.values()), tuple(failed), tuple(left_out))


def _below(folder: Path) -> Videos:
    look, found = Look(folder), []
    for entry in look.walk():
        kind = look.kind(entry)
        if kind == "video":
            found.append(_video(entry.path, entry.name, entry.status))
        elif kind == "image":
            look.leave_out(entry.name, "picture: `fabnet import` and `fabnet embed` read pictures")
    left_out, failed = look.left_out("video"), look.failed("video")
    if not found and not failed:
        raise InputError(_no_video(shown_name(folder), left_out))
    found.sort(key=lambda video: natural(video.name))
    return Videos(tuple(found), tuple((each.file, each.reason) for each in failed), tuple(left_out))


def _no_video(where: str, left_out: Sequence[LeftOut]) -> str:
    there = f"; {'; '.join(left_out_lines(left_out))}" if left_out else ""
    return f"no video in {where}: expected files ending in {' '.join(VIDEO_SUFFIXES)}{there}"


def _place(video: VideoFile) -> Path:
    """Where a file or link lies, however its folder was reached."""
    return video.path.parent.resolve() / video.path.name


def _named(path: Path) -> VideoFile:
    check_name(path)
    return _video(path, path.name, path.stat())


def _video(path: Path, name: str, status: os.stat_result) -> VideoFile:
    folder = Path(os.path.abspath(path)).parent.name  # also of `..`
    return VideoFile(path, name, folder, status.st_size, status.st_mtime, (status.st_dev, status.st_ino))
