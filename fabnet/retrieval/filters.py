"""Conditions on the rows of an embeddings dataset, in the SQL that Lance takes."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["all_of", "in_time", "in_video", "not_of", "quoted"]


def quoted(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def in_video(video: str) -> str:
    """Rows of a video, by its name."""
    return f"video = {quoted(video)}"


def in_time(begin_s: float | None, end_s: float | None) -> str | None:
    """Rows from one time of their video up to another, the end left out, in seconds; None: from the start, to the end.

    Rows that have no time, as those of photos, do not pass. Without either there is no condition.
    """
    bounds = [] if begin_s is None else [f"time_s >= {float(begin_s)!r}"]
    bounds += [] if end_s is None else [f"time_s < {float(end_s)!r}"]
    return " AND ".join(bounds) or None


def not_of(identities: Iterable[str | None]) -> str | None:
    """Rows of other people than these; nobody, or None for people who are not known: no condition."""
    named = sorted({name for name in identities if name is not None})
    if len(named) == 1:
        return f"identity != {quoted(named[0])}"
    return f"identity NOT IN ({', '.join(map(quoted, named))})" if named else None


def all_of(*conditions: str | None) -> str | None:
    """Conditions that all must hold; None of none."""
    given = [f"({condition})" for condition in conditions if condition]
    return " AND ".join(given) or None
