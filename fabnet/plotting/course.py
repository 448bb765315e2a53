"""A quantity over time, with how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError
from fabnet.over_time.readings import CHANGE, codes_of, is_readable, numbers, quantities, readings, tracks
from fabnet.plotting.canvas import GREY, axes_for, breaks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_course"]

MAX_TRACKS = 10
PROBABILITIES = ("smile", "AU", "expression_")


def plot_course(
    table: pa.Table | str | Path,
    quantity: str = "pose_yaw_deg",
    *,
    source: str | None = None,
    person: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a quantity over time: a line for each track, with its half-width as a band, grey where it is out of range.

    A grey line is not to be relied on. With one track, grey stretches show where no face is in range. Lines are broken
    where frames are missing.

    Args:
        table: of `read` or `courses`, or its file.
        quantity: the column, such as "smile" or "pose_yaw_deg". Its half-width is the column of that name with _pm.
        source: only this video, as in the column source.
        person: only this person, as in the column person.
        ax: the axes to draw on; None: those of a new figure.

    Returns:
        The axes; seconds to the right.

    Raises:
        InputError: the table has no such column, source or person, no times, or more than ten tracks.
        MissingDependencyError: Matplotlib is not installed.
    """
    read = readings(table)
    if quantity not in quantities(read.schema):
        raise InputError(f"there is no quantity {quantity!r} to plot; there is {', '.join(quantities(read.schema))}")
    found = [rows for rows in tracks(read) if _is(read, rows, "source", source) and _is(read, rows, "person", person)]
    if not found:
        asked = [f"{name} {value!r}" for name, value in (("source", source), ("person", person)) if value is not None]
        raise InputError(
            f"the table has no face with a time{' of ' * bool(asked)}{' and '.join(asked)}: nothing to plot"
        )
    if len(found) > MAX_TRACKS:
        raise InputError(f"there are {len(found)} tracks, and a plot shows {MAX_TRACKS}: choose by source and person")
    times, values, readable = numbers(read, "time_s"), numbers(read, quantity), is_readable(read)
    has_band = f"{quantity}_pm" in read.schema.names
    widths = numbers(read, f"{quantity}_pm") if has_band else np.full(len(values), np.nan)
    ax = axes_for(ax, size_in=(8, 3))
    if len(found) == 1:
        _shade(ax, *_with_empty_rows(read, found[0], times, readable))
    for rows in found:
        at = breaks(times[rows])
        time, value, width = (np.insert(each[rows], at, np.nan) for each in (times, values, widths))
        is_sure = np.insert(readable[rows], at, False)
        ax.plot(time, value, color=GREY, linewidth=1)
        (line,) = ax.plot(time, np.where(is_sure, value, np.nan), linewidth=1.5, label=_name(read, rows))
        low, high = value - width, value + width
        ax.fill_between(time, low, high, where=is_sure, color=line.get_color(), alpha=0.25, linewidth=0)
    ends = times[np.concatenate(found)]
    if ends.max() > ends.min():
        ax.set_xlim(ends.min(), ends.max())
    if quantity.startswith(PROBABILITIES) and not quantity.endswith(CHANGE):
        ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("time in the video, s")
    ax.set_ylabel(_words(quantity), parse_math=False)
    if len(found) > 1:
        for text in ax.legend(loc="upper right").get_texts():
            text.set_parse_math(False)
    return ax


def _is(read: pa.Table, rows: np.ndarray, column: str, value: str | None) -> bool:
    return value is None or read.column(column)[int(rows[0])].as_py() == value


def _name(read: pa.Table, rows: np.ndarray) -> str:
    """The person of a track, or its file and number."""
    row = read.slice(int(rows[0]), 1).select(["person", "source", "track"]).to_pylist()[0]
    return str(row["person"] or f"{row['source']}/{row['track']}")


def _with_empty_rows(
    read: pa.Table, rows: np.ndarray, times: np.ndarray, readable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times of a track, with those of its video's frames without a face, and whether a face is in range there."""
    source, _ = codes_of(read, "source")
    is_empty = np.asarray(read.column("track").is_null().to_numpy()) & (source == source[rows[0]])
    shown = np.concatenate([rows, np.flatnonzero(is_empty & np.isfinite(times))])
    shown = shown[np.argsort(times[shown], kind="stable")]
    return times[shown], readable[shown]


def _shade(ax: Axes, times: np.ndarray, readable: np.ndarray) -> None:
    """Grey stretches around the rising times where no face is in range."""
    middles = (times[1:] + times[:-1]) / 2
    edges = np.concatenate([times[:1], middles, times[-1:]])
    changes = np.flatnonzero(np.diff(np.concatenate([[True], readable, [True]]).astype(int)))
    for first, last in changes.reshape(-1, 2).tolist():
        ax.axvspan(edges[first], edges[last], color=GREY, alpha=0.25, linewidth=0)


def _words(quantity: str) -> str:
    """What an axis shows, with its unit."""
    name = quantity.removesuffix(CHANGE)
    before = "change of " if name != quantity else ""
    if name.startswith("pose_") and name.endswith("_deg"):
        return f"{before}{name.removeprefix('pose_').removesuffix('_deg')}, degrees"
    if name.startswith(PROBABILITIES):
        return f"{before}{name.removeprefix('expression_')}, probability"
    if name.startswith(("mouth_", "eyes_")):
        return f"{before}{name.replace('_', ' ')},\nshare of the face's height"
    return f"{before}{name.replace('_', ' ')}"
