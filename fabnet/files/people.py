"""The CSV file that says who is in which video; `track --identities` and `read --people` take the same one."""

from __future__ import annotations

from pathlib import Path

from fabnet.errors import InputError
from fabnet.files.csv_file import read_csv
from fabnet.files.names import spelt
from fabnet.files.places import as_place, fetched

__all__ = ["read_people"]

NAMES = ("person", "identity")


def read_people(file: str | Path, *, flag: str, words: str) -> dict[tuple[str, str | None], str]:
    """Read a CSV file with the header video,person or video,track,person; `identity` is another name of `person`.

    Args:
        file: a CSV file on this machine or in an object store.
        flag: the option that names it, for the message.
        words: what else the option takes, for the message.

    Returns:
        The person by (video, track), or by (video, None) where the file names no track; videos as `spelt` spells them.

    Raises:
        InputError: the file is missing, has another header or an empty cell, or assigns one track to two people.
    """
    here = fetched(as_place(file))
    if not here.exists():
        raise InputError(f"{flag} must be {words} or a CSV file; there is no file {file}")
    rows = read_csv(here, "video,person")
    header = list(rows[0][1]) if rows else []
    name = next((each for each in NAMES if each in header), None)
    if name is None or "video" not in header:
        said = ",".join(map(str, header)) or "nothing"
        raise InputError(f"{file}: expected the header video,person or video,track,person, and rows; found {said}")
    known: dict[tuple[str, str | None], str] = {}
    for number, row in rows:
        video, track, person = ((row.get(each) or "").strip() for each in ("video", "track", name))
        if not video or not person:
            raise InputError(f"{file}, line {number}: expected a video and a person; found {video!r} and {person!r}")
        other = known.setdefault((spelt(video), track or None), person)
        if other != person:
            where = f"track {track} of {video}" if track else video
            raise InputError(f"{file}, line {number}: {where} is {other} and {person}; choose one")
    return known
