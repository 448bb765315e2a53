"""Builds conditions on the rows of an embeddings dataset, in Lance's SQL."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["all_of", "in_time", "in_video", "not_of", "quoted"]


def quoted(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def in_video(video: str) -> str:
    """Condition for the rows of a video, by its name."""
    return f"video = {quoted(video)}"


def in_time(begin_s: float | None, end_s: float | None) -> str | None:
    """Condition for rows in the half-open interval [begin_s, end_s) of their video; None: from its start, to its end.

    Rows without a time, such as those of photos, do not meet it. Without both bounds there is no condition.
    """
    bounds = [] if begin_s is None else [f"time_s >= {float(begin_s)!r}"]
    bounds += [] if end_s is None else [f"time_s < {float(end_s)!r}"]
    return " AND ".join(bounds) or None


def not_of(identities: Iterable[str | None]) -> str | None:
    """Condition for rows of other people than these, ignoring None; without names there is no condition."""
    named = sorted({name for name in identities if name is not None})
    if len(named) == 1:
        return f"identity != {quoted(named[0])}"
    return f"identity NOT IN ({', '.join(map(quoted, named))})" if named else None


def all_of(*conditions: str | None) -> str | None:
    """Join conditions that must all hold; None if there are none."""
    given = [f"({condition})" for condition in conditions if condition]
    return " AND ".join(given) or None
