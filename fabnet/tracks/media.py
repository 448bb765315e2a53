"""Which files are pictures and videos, and the videos of a command."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError
from fabnet.places import local

__all__ = ["IMAGE_SUFFIXES", "VIDEO_SUFFIXES", "VideoFile", "check_inside", "check_name", "find_videos", "natural"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".flv", ".wmv", ".3gp", ".ogv",
)  # fmt: skip


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


def natural(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def check_inside(folder: Path, path: Path) -> None:
    """Refuse a symbolic link below a folder that leads out of it: what a folder of somebody else's holds stays in it.

    Links within the folder are followed, and the folder itself may be one.

    Raises:
        InputError: the link leads out, or the name is no UTF-8.
    """
    check_name(path)
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{path} is a link out of {folder}, to {path.resolve()}: put the file itself there, or name its own folder"
        )


def check_name(path: Path) -> None:
    """Refuse a file whose name is no UTF-8: rows could not say it.

    Raises:
        InputError: it is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise InputError(f"the name of {shown} is no UTF-8: rename it (convmv does many)") from None


def find_videos(paths: Sequence[Path | str]) -> list[VideoFile]:
    """Expand files and folders to videos: files as given, whatever they are called; folders by suffix, all levels.

    A file that is given twice counts once, under its first name.

    Raises:
        InputError: a path does not exist, a folder has no video or a link out of it, two videos have the same name, or
            a file is there under two, as links are.
    """
    if not paths:
        raise InputError("no video given: name a video or a folder of videos")
    found: dict[str, VideoFile] = {}
    by_inode: dict[tuple[int, int], VideoFile] = {}
    for path in (local(path, "videos") for path in paths):
        if not path.exists():
            raise InputError(f"no such video or folder: {path}")
        for video in _below(path) if path.is_dir() else [_video(path, path.name)]:
            first = by_inode.setdefault(video.inode, video)
            if first.name != video.name and _place(first) != _place(video):
                raise InputError(f"{first.path} and {video.path} are the same video: give it once, without the link")
            other = found.setdefault(first.name, first)
            if other is not first:
                raise InputError(
                    f"two videos are called {video.name}: {other.path} and {video.path}; give the folder that both lie "
                    "in, so that their names tell them apart"
                )
    return list(found.values())


def _below(folder: Path) -> list[VideoFile]:
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith("."):
                path = Path(where) / name
                check_inside(folder, path)
                found.append(_video(path, path.relative_to(folder).as_posix()))
    if not found:
        raise InputError(f"no video in {folder}: expected files ending in {' '.join(VIDEO_SUFFIXES)}")
    return sorted(found, key=lambda video: natural(video.name))


def _place(video: VideoFile) -> Path:
    """Where a file or link lies, however its folder was reached."""
    return video.path.parent.resolve() / video.path.name


def _video(path: Path, name: str) -> VideoFile:
    check_name(path)
    status = path.stat()
    inode = (status.st_dev, status.st_ino)
    folder = Path(os.path.abspath(path)).parent.name  # also of `..`
    return VideoFile(path, name, folder, status.st_size, status.st_mtime, inode)
