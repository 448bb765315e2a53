"""`fabnet.courses`: what was read, smoothed over time and compared with each person's own baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError
from fabnet.options import takes
from fabnet.over_time.options import PERSON, CoursesOptions
from fabnet.over_time.readings import CHANGE, COURSES, codes_of, is_readable, numbers, quantities, readings, tracks
from fabnet.over_time.smooth import centred_mean, local_quadratic, runs

__all__ = ["courses", "notes_of"]

EYES = ("eyes_opening",)
"""Not smoothed: a blink shows in one to three frames, and every filter tried flattened it."""
MEASURES = ("pose_", "mouth_")
"""Beginnings of the names of quantities that are measured; the others are probabilities."""
EXPRESSION = "expression"


@takes(CoursesOptions)
def courses(table: pa.Table | str | Path, options: CoursesOptions | None = None, **changes: Any) -> pa.Table:
    """Smooth what `read` found, and compare it with each person's own baseline.

    Pose and mouth go through Savitzky-Golay's filter of order 2, and probabilities through a mean. Both are centred, so
    that nothing is delayed. The opening of the eyes is left alone, because filters flatten blinks. No window reaches
    from one track into another, or across a gap. Numbers of rows out of range and without a face are null and have no
    influence. Half-widths, points and boxes stay as they were read.

    Args:
        table: what `read` returned or wrote (.parquet or .csv), or what `courses` returned, which is taken as it is.
        options: how; the keywords below change single ones.

    Returns:
        The same rows and columns, and `NAME_change` beside each number if there is a baseline. The metadata name the
        filters and the baseline.

    Raises:
        InputError: the file is missing or does not hold readings, or an option is impossible.
    """
    options = CoursesOptions.of(options, changes)
    read = readings(table)
    about = {key.decode(): value.decode() for key, value in (read.schema.metadata or {}).items()}
    if f"{COURSES}options" in about:
        if options.baseline is not None and about.get(f"{COURSES}baseline") != options.baseline:
            raise InputError("the table already holds courses, without this baseline: start from what read wrote")
        return read
    names = quantities(read.schema)
    readable, times = is_readable(read), numbers(read, "time_s")
    values = np.stack([numbers(read, name) for name in names], axis=1)
    values[~readable] = np.nan
    notes = []
    if options.smooth:
        values, changed = _smoothed(read, names, values, readable, times, options)
        if not changed:
            near = min(options.window / 2, options.max_gap)
            notes.append(f"nothing was smoothed: no two readable frames of a track are within {near} s")
    columns = {name: read.column(name) for name in read.schema.names}
    for index, name in enumerate(names):
        columns[name] = _column(values[:, index])
    if EXPRESSION in columns:
        columns[EXPRESSION] = _likeliest(names, values, columns[EXPRESSION], readable)
    if options.baseline is not None:
        differences, missing = _from_baseline(read, values, readable, times, options)
        notes += missing
        columns = _with_changes(columns, names, differences)
    about |= {
        f"{COURSES}options": repr(options),
        f"{COURSES}filters": _filters(options),
        f"{COURSES}notes": "\n".join(notes),
    } | ({f"{COURSES}baseline": options.baseline} if options.baseline is not None else {})
    return pa.table(columns).replace_schema_metadata(about)


def notes_of(table: pa.Table) -> list[str]:
    """What a reader of courses should know, such as that nothing could be smoothed."""
    text: str = (table.schema.metadata or {}).get(f"{COURSES}notes".encode(), b"").decode()
    return text.splitlines()


def _filters(options: CoursesOptions) -> str:
    if not options.smooth:
        return "none"
    return (
        f"pose and mouth: Savitzky-Golay, order 2, {options.window} s; eyes: none; probabilities: "
        f"mean, {options.window} s; all centred; gaps above {options.max_gap} s are not crossed"
    )


def _smoothed(
    table: pa.Table, names: list[str], values: np.ndarray, readable: np.ndarray, times: np.ndarray,
    options: CoursesOptions,
) -> tuple[np.ndarray, bool]:  # fmt: skip
    """The values, smoothed run by run; and whether a run had several rows."""
    smoothed, changed = values.copy(), False
    known = [index for index in range(len(names)) if np.isfinite(values[:, index]).any()]
    measures = [index for index in known if names[index].startswith(MEASURES)]
    probabilities = [index for index in known if index not in measures and names[index] not in EYES]
    readable = readable & np.isfinite(values[:, known]).all(axis=1)
    for track in tracks(table):
        for run in runs(times[track], readable[track], options.max_gap):
            rows = track[run]
            moments = times[rows]
            changed |= bool((np.diff(moments) <= options.window / 2).any())
            for chosen, smooth in ((measures, local_quadratic), (probabilities, centred_mean)):
                if chosen:
                    smoothed[np.ix_(rows, chosen)] = smooth(moments, values[np.ix_(rows, chosen)], options.window)
    return smoothed, changed


def _column(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype(np.float32), mask=np.isnan(values))


def _likeliest(names: list[str], values: np.ndarray, former: pa.ChunkedArray, readable: np.ndarray) -> pa.Array:
    """The most likely expression of each row after smoothing, named as before."""
    texts = former.to_pylist()
    indices = [index for index, name in enumerate(names) if name.startswith(f"{EXPRESSION}_")]
    if not indices:
        return pa.array([text if fine else None for text, fine in zip(texts, readable, strict=True)], pa.string())
    bare = not any(text and text.startswith(f"{EXPRESSION}_") for text in texts)
    labels = [names[index].removeprefix(f"{EXPRESSION}_") if bare else names[index] for index in indices]
    best = np.where(np.isnan(values[:, indices]), -np.inf, values[:, indices]).argmax(axis=1)
    return pa.array([labels[at] if fine else None for at, fine in zip(best, readable, strict=True)], pa.string())


def _from_baseline(
    table: pa.Table, values: np.ndarray, readable: np.ndarray, times: np.ndarray, options: CoursesOptions
) -> tuple[np.ndarray, list[str]]:
    """The values less the medians of their person; and a line about each person without a baseline."""
    counted = readable.copy()
    if options.stretch is not None:
        start, end = options.stretch
        counted &= (times >= start) & (times < end)
    person, names = codes_of(table, "person")
    differences, missing = np.full(values.shape, np.nan), []
    for code, name in enumerate(names):
        own = person == code
        if name is None or not (own & readable).any():
            continue
        if not (own & counted).any():
            where = "" if options.baseline == PERSON else f" in {options.baseline} s"
            missing.append(f"{name} has no baseline: no readable frame{where}")
            continue
        differences[own] = values[own] - np.nanmedian(values[own & counted], axis=0)
    return differences, missing


def _with_changes(columns: dict[str, Any], names: list[str], differences: np.ndarray) -> dict[str, Any]:
    """The columns, with the change of each number behind it (and behind its half-width)."""
    made: dict[str, Any] = {}
    last: tuple[str, pa.Array] | None = None
    for name, column in columns.items():
        if last is not None and not name.endswith("_pm"):
            made[last[0]] = last[1]
            last = None
        made[name] = column
        if name in names:
            last = (name + CHANGE, _column(differences[:, names.index(name)]))
    return made if last is None else made | dict([last])
