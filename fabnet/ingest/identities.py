"""The identity of each raw video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.media import VideoFile
from fabnet.files.names import spelt
from fabnet.files.people import read_people

__all__ = ["identities_of"]


def identities_of(videos: Sequence[VideoFile], identities: str | Path) -> tuple[dict[str, str | None], list[str]]:
    """Find the identity of each video.

    Args:
        videos: the videos.
        identities: "video": each track is a person of its own; "folder": the folder of a video is the person; or a CSV
            file with the header video,person or video,identity, which names a video by its path below the folder given
            or by its file name.

    Returns:
        The identity by name of the video, None if each track is a person of its own; and the videos that only the file
        names.

    Raises:
        InputError: the file is missing, has another header, lacks a video, assigns a video to two people, or names
            tracks, which have no numbers yet.
    """
    if str(identities) == "video":
        return {video.name: None for video in videos}, []
    if str(identities) == "folder":
        return {video.name: video.folder for video in videos}, []
    lines = read_people(identities, flag="--identities", words="video, folder")
    of_track = next((f"track {track} of {video}" for video, track in lines if track is not None), None)
    if of_track is not None:
        raise InputError(f"{identities} names {of_track}, but tracks are numbered only now: name the person of a video")
    known = {video: person for (video, _), person in lines.items()}
    found: dict[str, str | None] = {}
    for video in videos:
        identity = known.get(spelt(video.name)) or known.get(spelt(video.path.name))
        if identity is None:
            raise InputError(f"{identities} has no line for the video {video.name}: add `{video.name},IDENTITY`")
        found[video.name] = identity
    there = {spelt(name) for video in videos for name in (video.name, video.path.name)}
    return found, [name for name in known if name not in there]
