"""Who is who in a table of readings: the option `people` of `read`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fabnet.errors import InputError
from fabnet.files.limits import read_csv
from fabnet.files.places import as_place, fetched
from fabnet.reading.inputs import Input

__all__ = ["people_of"]


def people_of(people: str | Path, found: Sequence[Input]) -> Callable[[Mapping[str, Any]], str | None]:
    """A function that gives the person of a row by its `source` and `track`; None: not known.

    Args:
        people: "track": each track is a person of its own; "video": each photo or video shows one person; "folder": the
            folder of a file is the person; or a CSV file with the header video,person or video,track,person, which
            names a file as the column `source` does, or by its file name.
        found: the inputs.

    Raises:
        InputError: the file is missing, has another header, assigns a track to two people, or names none of the inputs.
    """
    if str(people) == "track":
        return lambda row: None if row["track"] is None else f"{row['source']}/{row['track']}"
    if str(people) == "video":
        return lambda row: row["source"]
    if str(people) == "folder":
        folders = {each.name: Path(os.path.abspath(each.path)).parent.name for each in found if each.kind != "store"}
        return lambda row: folders.get(row["source"]) or PurePosixPath(row["source"]).parent.name or row["source"]
    known = _read(as_place(people))
    names = {name for each in found for name in (each.name, each.path.name)}
    if not any(each.kind == "store" for each in found) and not any(video in names for video, _ in known):
        first = next(iter(known), ("nothing", None))[0]
        raise InputError(f"{people} names none of the inputs: it has {first}, the first input is {found[0].name}")

    def person(row: Mapping[str, Any]) -> str | None:
        videos = (row["source"], PurePosixPath(row["source"]).name)
        keys = [(video, track) for track in (row["track"], None) for video in videos]
        return next((known[key] for key in keys if key in known), None)

    return person


def _read(file: Path) -> dict[tuple[str, str | None], str]:
    """A CSV file of people: (video, track) or (video, None) to the person."""
    here = fetched(file)
    if not here.exists():
        raise InputError(f"--people must be track, video, folder or a CSV file; there is no file {file}")
    rows = read_csv(here, "video,person")
    header = list(rows[0][1]) if rows else []
    if not {"video", "person"} <= set(header):
        said = ",".join(map(str, header)) or "nothing"
        raise InputError(f"{file}: expected the header video,person or video,track,person, and rows; found {said}")
    known: dict[tuple[str, str | None], str] = {}
    for number, row in rows:
        video, track, person = ((row.get(name) or "").strip() for name in ("video", "track", "person"))
        if not video or not person:
            raise InputError(f"{file}, line {number}: expected a video and a person; found {video!r} and {person!r}")
        other = known.setdefault((video, track or None), person)
        if other != person:
            where = f"track {track} of {video}" if track else video
            raise InputError(f"{file}, line {number}: {where} is {other} and {person}; choose one")
    return known
