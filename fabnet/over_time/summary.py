"""`fabnet.summary`: a person in a video as one row: means, spreads, blinks, smiles, and how much could be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.options import takes
from fabnet.over_time.courses import courses
from fabnet.over_time.episodes import SMILE_PROBABILITY, blinks, is_turned_away, smiles
from fabnet.over_time.options import CoursesOptions
from fabnet.over_time.readings import codes_of, is_readable, numbers, quantities
from fabnet.over_time.smooth import runs

__all__ = ["summary"]

COUNTS = [
    ("source", pa.string()), ("person", pa.string()), ("frames", pa.int64()), ("readable_frames", pa.int64()),
    ("unreadable_share", pa.float64()), ("readable_s", pa.float64()), ("blinks", pa.int64()),
    ("blinks_by_noise", pa.int64()), ("blinks_per_min", pa.float64()), ("smiles", pa.int64()),
    ("smiles_per_min", pa.float64()), ("smiling_share", pa.float64()), ("turned_away_share", pa.float64()),
]  # fmt: skip


@takes(CoursesOptions)
def summary(table: pa.Table | str | Path, options: CoursesOptions | None = None, **changes: Any) -> pa.Table:
    """Sum up each person in each video or photo.

    Args:
        table: as in `courses`.
        options: as in `courses`; the keywords below change single ones.

    Returns:
        One row per person and source, and one with the person null for a source without any. docs/time-courses.md
        gives the rule of each column: `frames` of the source, `readable_frames` with this person in range,
        `unreadable_share` (the rest of the frames), `readable_s`, `blinks`, `blinks_by_noise` (as brief
        openings by as much, which eyes do not do: about so many of the blinks are noise), `blinks_per_min`, `smiles`,
        `smiles_per_min`, `smiling_share` (of the readable time), `turned_away_share` (of the time with the person's
        face in the picture), and for each number `NAME_mean` and `NAME_sd` (standard deviation) over readable frames.

    Raises:
        InputError: as in `courses`.
    """
    found = courses(table, CoursesOptions.of(options, changes))
    max_gap = CoursesOptions.of(options, changes).max_gap
    source, sources = codes_of(found, "source")
    person, people = codes_of(found, "person")
    whole = _Columns(found)
    rows = []
    for at, name in enumerate(sources):
        here = np.flatnonzero(source == at)
        frames = len({frame for frame in whole.frames[here] if frame is not None}) or len(here)
        codes = [code for code in dict.fromkeys(person[here]) if people[code] is not None]
        for code in codes:
            own = here[person[here] == code]
            rows.append({"source": name, "person": people[code], "frames": frames} | whole.summed(own, frames, max_gap))
        if not codes:
            rows.append({"source": name, "frames": frames, "readable_frames": 0, "unreadable_share": 1.0})
    names = [f"{name}_{what}" for name in whole.values for what in ("mean", "sd")]
    columns = pa.schema([*COUNTS, *[(name, pa.float64()) for name in names]])
    return pa.Table.from_pylist(rows, columns.with_metadata(found.schema.metadata))


class _Columns:
    """The columns of courses as arrays."""

    def __init__(self, table: pa.Table) -> None:
        self.values = {name: numbers(table, name) for name in quantities(table.schema)}
        self.times = numbers(table, "time_s")
        self.has_face = np.asarray(table.column("in_range").is_valid())
        self.readable = is_readable(table)
        self.frames = np.array(table.column("frame").to_pylist(), object)
        self.tracks, _ = codes_of(table, "track")
        named = "out_of_range" in table.schema.names
        self.reasons = np.array(table.column("out_of_range").to_pylist() if named else [None] * len(table), object)

    def summed(self, own: np.ndarray, frames: int, max_gap: float) -> dict[str, Any]:
        """What a person did in a source.

        Args:
            own: the person's rows there.
            frames: number of frames of the source.
            max_gap: upper bound of the seconds between frames that belong together.
        """
        readable = own[self.readable[own]]
        count = len({frame for frame in self.frames[readable] if frame is not None}) or len(readable)
        made: dict[str, Any] = {"readable_frames": count, "unreadable_share": 1 - count / frames}
        for name, values in self.values.items():
            kept = values[readable][np.isfinite(values[readable])]
            made[f"{name}_mean"] = float(kept.mean()) if len(kept) else None
            made[f"{name}_sd"] = float(kept.std(ddof=1)) if len(kept) > 1 else None
        own = own[self.has_face[own]]  # a person who is named for a whole file also has its rows without a face
        if np.isfinite(self.times[own]).all() and len(own) > 1:
            made |= self._in_time(own, max_gap)
        return made

    def _in_time(self, own: np.ndarray, max_gap: float) -> dict[str, Any]:
        own = own[np.lexsort((self.times[own], self.tracks[own]))]
        lengths = self._lengths(own)
        readable = self.readable[own]
        seconds = float(lengths[readable].sum())
        made: dict[str, Any] = {"readable_s": seconds}
        if {"pose_yaw_deg", "pose_pitch_deg"} <= self.values.keys() and lengths.sum() > 0:
            yaw, pitch = (self.values[name][own] for name in ("pose_yaw_deg", "pose_pitch_deg"))
            away = is_turned_away(yaw, pitch, self.reasons[own])
            made["turned_away_share"] = float(lengths[away].sum() / lengths.sum())
        if not seconds:
            return made
        parts = [own[self.tracks[own] == track] for track in dict.fromkeys(self.tracks[own])]
        joined = [part[run] for part in parts for run in runs(self.times[part], self.readable[part], max_gap)]
        if "smile" in self.values:
            found = [each for rows in joined for each in smiles(self.times[rows], self.values["smile"][rows], max_gap)]
            smiling = readable & (self.values["smile"][own] >= SMILE_PROBABILITY)
            made |= {"smiles": len(found), "smiles_per_min": 60 * len(found) / seconds}
            made["smiling_share"] = float(lengths[smiling].sum()) / seconds
        if "eyes_opening" in self.values:
            eyes = self.values["eyes_opening"]
            usual = float(np.nanmedian(eyes[own[readable]]))
            closed = [blinks(self.times[rows], eyes[rows], usual) for rows in joined]
            opened = [blinks(self.times[rows], 2 * usual - eyes[rows], usual) for rows in joined]
            shown = sum(self._span(rows) for rows, found in zip(joined, closed, strict=True) if found is not None)
            if shown > 0:
                count = sum(len(found or ()) for found in closed)
                made |= {"blinks": count, "blinks_by_noise": sum(len(found or ()) for found in opened)}
                made["blinks_per_min"] = 60 * count / shown
        return made

    def _lengths(self, own: np.ndarray) -> np.ndarray:
        """(N,) seconds that each row stands for: until the next one of its track, at most 1.5 usual steps."""
        steps = np.diff(self.times[own], append=np.nan)
        steps[np.append(np.diff(self.tracks[own]) != 0, True)] = np.nan
        usual = float(np.nanmedian(steps)) if np.isfinite(steps).any() else 0.0
        return np.minimum(np.where(np.isnan(steps), usual, steps), 1.5 * usual)

    def _span(self, rows: np.ndarray) -> float:
        return float(self.times[rows[-1]] - self.times[rows[0]]) * len(rows) / max(len(rows) - 1, 1)
