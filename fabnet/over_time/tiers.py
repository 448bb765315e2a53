"""What happened when, as tiers of ELAN and as cues of WebVTT."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError, MissingDependencyError
from fabnet.over_time.episodes import Episode, blinks, episodes, is_turned_away, smiles
from fabnet.over_time.readings import is_readable, numbers, tracks
from fabnet.over_time.smooth import runs
from fabnet.runtime.terminal import shown

__all__ = ["Event", "events", "write_elan", "write_webvtt"]

PRESENT = 0.5
SHORTEST = 0.1
"""Lower bound of the seconds of an event other than a blink or a smile."""


class Event(NamedTuple):
    """Something that a person did.

    Attributes:
        person: who.
        tier: the kind: "smile", "blink", "expression", "head", "AU12" or "readable".
        label: what is written into the tier.
        start: seconds.
        end: seconds.
    """

    person: str
    tier: str
    label: str
    start: float
    end: float


def events(table: pa.Table, *, max_gap: float) -> list[Event]:
    """What happened in a video, in the order of people and tiers, each in the order of time and without overlap.

    Args:
        table: courses of one video.
        max_gap: upper bound of the seconds between two frames of one event.

    Raises:
        InputError: the table has several sources, or no times.
    """
    sources = list(dict.fromkeys(table.column("source").to_pylist()))
    if len(sources) > 1:
        raise InputError(
            f".eaf and .vtt files belong to one video; the table holds {len(sources)} ({sources[0]}, {sources[1]} "
            "...): choose one with --source"
        )
    found: dict[tuple[str, str], list[Event]] = {}
    people, is_there = table.column("person"), False
    for rows in tracks(table):
        is_there = True
        for tier, label, each in _of_track(table, rows, max_gap):
            person = people[int(rows[0])].as_py() or ""
            found.setdefault((person, tier), []).append(Event(person, tier, label, *each))
    if not is_there:
        raise InputError(f"{sources[0]} has no faces with times: .eaf and .vtt files are for videos")
    return [event for key in sorted(found) for event in _apart(found[key])]


def _of_track(table: pa.Table, rows: np.ndarray, max_gap: float) -> Iterator[tuple[str, str, Episode]]:
    """The events of a track: tier, label, time."""
    own = table.take(pa.array(rows))
    times, readable = numbers(own, "time_s"), is_readable(own)
    names = own.schema.names
    for each in episodes(times, readable, max_gap=max_gap):
        yield "readable", "readable", each
    if "smile" in names:
        for each in smiles(times, numbers(own, "smile"), max_gap):
            yield "smile", "smile", each
    if "eyes_opening" in names and readable.any():
        eyes = numbers(own, "eyes_opening")
        usual = float(np.nanmedian(eyes[readable]))
        for run in runs(times, readable, max_gap):
            for each in blinks(times[run], eyes[run], usual) or ():
                yield "blink", "blink", each
    for name in names:
        if name.startswith("AU") and name[2:].isdigit():
            for each in episodes(times, numbers(own, name) >= PRESENT, max_gap=max_gap, shortest=SHORTEST):
                yield name, name, each
    if "expression" in names:
        labels = np.array(own.column("expression").to_pylist(), object)
        for label in sorted({each for each in labels if each is not None}):
            for each in episodes(times, labels == label, max_gap=max_gap, shortest=SHORTEST):
                yield "expression", label.removeprefix("expression_"), each
    if {"pose_yaw_deg", "pose_pitch_deg", "out_of_range"} <= set(names):
        yaw, pitch = numbers(own, "pose_yaw_deg"), numbers(own, "pose_pitch_deg")
        away = is_turned_away(yaw, pitch, np.array(own.column("out_of_range").to_pylist(), object))
        for each in episodes(times, away, max_gap=max_gap, shortest=SHORTEST):
            yield "head", "turned away", each


def _apart(found: list[Event]) -> list[Event]:
    """Events of a tier without overlap, which ELAN does not allow: a later one begins where the former ends."""
    kept: list[Event] = []
    for event in sorted(found, key=lambda each: (each.start, each.end)):
        start = max(event.start, kept[-1].end) if kept else event.start
        if _ms(event.end) > _ms(start):
            kept.append(event._replace(start=start))
    return kept


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def write_elan(table: pa.Table, file: Path, *, max_gap: float) -> None:
    """Write the events of a video as tiers of ELAN, named `PERSON TIER`, with the video linked.

    Args:
        table: courses of one video.
        file: written.
        max_gap: as in `events`.

    Raises:
        InputError: as in `events`.
        MissingDependencyError: the package pympi-ling is missing.
    """
    found = events(table, max_gap=max_gap)
    elan = _new_elan()
    source = shown(table.column("source")[0].as_py())
    kind = mimetypes.guess_type(source)[0] or "video/mp4"
    elan.add_linked_file(source, relpath=f"./{Path(source).name}", mimetype=kind)
    for event in found:
        tier = shown(f"{event.person} {event.tier}".strip())
        if tier not in elan.tiers:
            elan.add_tier(tier)
        elan.add_annotation(tier, max(0, _ms(event.start)), _ms(event.end), shown(event.label))
    if found:
        elan.remove_tier("default")
    elan.to_file(str(file))


def _new_elan() -> Any:
    try:
        from pympi.Elan import Eaf
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            ".eaf files need the package pympi-ling: pip install 'fabnet[elan]'; or give --out FILE.vtt or FILE.csv"
        ) from error
    return Eaf(author="fabnet")


def write_webvtt(table: pa.Table, file: Path, *, max_gap: float) -> None:
    """Write the events of a video as cues of WebVTT, `PERSON: LABEL`, for video players.

    Args:
        table: courses of one video.
        file: written.
        max_gap: as in `events`.

    Raises:
        InputError: as in `events`.
    """
    found = [each for each in events(table, max_gap=max_gap) if each.tier != "readable"]
    lines = ["WEBVTT", ""]
    for event in sorted(found, key=lambda each: (each.start, each.end, each.person, each.tier)):
        text = escape(shown(f"{event.person}: {event.label}"), quote=False)
        lines += [f"{_clock(event.start)} --> {_clock(event.end)}", text, ""]
    file.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def _clock(seconds: float) -> str:
    whole, ms = divmod(max(0, _ms(seconds)), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{ms:03d}"
