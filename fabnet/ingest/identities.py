"""The identity of each raw video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.limits import read_csv
from fabnet.files.media import VideoFile
from fabnet.files.places import as_place, fetched

__all__ = ["identities_of"]


def identities_of(videos: Sequence[VideoFile], identities: str | Path) -> tuple[dict[str, str | None], list[str]]:
    """Find the identity of each video.

    Args:
        videos: the videos.
        identities: "video": each track is a person of its own; "folder": the folder of a video is the person; or a CSV
            file with the header video,identity, which names a video by its path below the folder given or by its file
            name.

    Returns:
        The identity by name of the video, None if each track is a person of its own; and the videos that only the file
        names.

    Raises:
        InputError: the file is missing, has another header, lacks a video, or assigns a video to two people.
    """
    if str(identities) == "video":
        return {video.name: None for video in videos}, []
    if str(identities) == "folder":
        return {video.name: video.folder for video in videos}, []
    known = _read(fetched(as_place(identities)))
    found: dict[str, str | None] = {}
    for video in videos:
        identity = known.get(video.name) or known.get(video.path.name)
        if identity is None:
            raise InputError(f"{identities} has no line for the video {video.name}: add `{video.name},IDENTITY`")
        found[video.name] = identity
    there = {*found, *(video.path.name for video in videos)}
    return found, [name for name in known if name not in there]


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        raise InputError(f"--identities is {path}: expected video, folder, or a CSV file that exists")
    rows = read_csv(path, "video,identity")
    columns = list(rows[0][1]) if rows else []
    if not {"video", "identity"} <= set(columns):
        found = ",".join(map(str, columns)) or "nothing"
        raise InputError(f"{path}: expected the header video,identity and rows; found {found}")
    known: dict[str, str] = {}
    for number, row in rows:
        video, identity = (row["video"] or "").strip(), (row["identity"] or "").strip()
        if known.setdefault(video, identity) != identity:
            raise InputError(
                f"{path}, line {number}: {video} has the identities {known[video]} and {identity}; choose one"
            )
    return known
