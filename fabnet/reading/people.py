"""Who is who in a table of readings: the option `people` of `read`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fabnet.encoders.recogniser import RECOGNISERS, is_recogniser
from fabnet.errors import InputError
from fabnet.files.names import spelt
from fabnet.files.people import read_people
from fabnet.reading.inputs import Input

__all__ = ["people_of"]


def people_of(people: str | Path, found: Sequence[Input]) -> Callable[[Mapping[str, Any]], str | None]:
    """A function that gives the person of a row by its `source`, `track` and `person`; None: not known.

    Args:
        people: "track": each track is a person of its own, in a store its identity; "video": each photo or video shows
            one person; "folder": the folder of a file is the person; or a CSV file with the header video,person or
            video,track,person, which names a file as the column `source` does, or by its file name. The name of a
            face-recognition model counts as "track", because tracks are linked when all rows are there.
        found: the inputs.

    Raises:
        InputError: the file is missing, has another header, assigns a track to two people, or names none of the inputs.
    """
    if str(people) == "track" or is_recogniser(people):
        return lambda row: row["person"] or (None if row["track"] is None else f"{row['source']}/{row['track']}")
    if str(people) == "video":
        return lambda row: row["source"]
    if str(people) == "folder":
        folders = {each.name: Path(os.path.abspath(each.path)).parent.name for each in found if each.kind != "store"}
        return lambda row: folders.get(row["source"]) or PurePosixPath(row["source"]).parent.name or row["source"]
    known = read_people(people, flag="--people", words=f"track, video, folder, {RECOGNISERS}")
    names = {spelt(name) for each in found for name in (each.name, each.path.name)}
    if not any(each.kind == "store" for each in found) and not any(video in names for video, _ in known):
        first = next(iter(known), ("nothing", None))[0]
        raise InputError(f"{people} names none of the inputs: it has {first}, the first input is {found[0].name}")

    def person(row: Mapping[str, Any]) -> str | None:
        source = spelt(row["source"])
        videos = (source, PurePosixPath(source).name)
        keys = [(video, track) for track in (row["track"], None) for video in videos]
        return next((known[key] for key in keys if key in known), None)

    return person
