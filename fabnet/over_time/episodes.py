"""Stretches of time in which something holds: blinks, smiles, a head turned away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["SMILE_PROBABILITY", "Episode", "blinks", "episodes", "is_turned_away", "smiles"]

BLINK_DROP = 0.18
"""Share of the usual opening of a person's eyes by which they close in a blink. The reading of the eyes holds back:
half of the whole closures show as drops by 15 to 41 %. Chosen on clips of training people (docs/time-courses.md)."""
BLINK_LONGEST = 0.5
BLINK_USUAL_WINDOW = 1.0
BLINK_SLOWEST_STEP = 0.1
"""Seconds between frames above which blinks fall through."""
SMILE_PROBABILITY = 0.5
SMILE_SHORTEST, SMILE_LONGEST_BREAK = 0.25, 0.5
AWAY_YAW_DEG, AWAY_PITCH_DEG = 30.0, 20.0


class Episode(NamedTuple):
    """A stretch of time in seconds.

    Attributes:
        start: the time of its first frame.
        end: the time at which its last frame ends.
    """

    start: float
    end: float


def episodes(
    times: np.ndarray, holds: np.ndarray, *, max_gap: float, shortest: float = 0.0, bridged: float = 0.0
) -> list[Episode]:
    """The stretches in which something holds.

    Args:
        times: (N,) seconds, rising.
        holds: (N,) bool.
        max_gap: upper bound of the seconds from one frame of a stretch to the next.
        shortest: lower bound of the length of a stretch.
        bridged: upper bound of the seconds in which it may fail to hold within a stretch.
    """
    rows = np.flatnonzero(holds)
    if not len(rows):
        return []
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    failing = times[rows[1:]] - times[rows[:-1] + 1] if len(rows) > 1 else np.zeros(0)
    gaps = np.maximum.reduceat(np.diff(times)[: rows[-1]], rows[:-1]) if len(rows) > 1 else failing
    breaks = (failing > bridged + 1e-6) | (gaps > max(max_gap, 1.5 * step))
    found = [Episode(float(times[part[0]]), float(times[part[-1]]) + step)
             for part in np.split(rows, np.flatnonzero(breaks) + 1)]  # fmt: skip
    return [each for each in found if each.end - each.start >= shortest - 1e-6]


def blinks(times: np.ndarray, eyes: np.ndarray, usual: float) -> list[Episode] | None:
    """Blinks in a run: the eyes close by more than 18 % of their usual opening, for half a second at most.

    The drop is measured from the median over the second around, so that eyes that are narrowed for longer do not count.
    A blink that the run's start or end cuts does not count either.

    Args:
        times: (N,) seconds, rising, without gaps.
        eyes: (N,) opening of the eyes.
        usual: the person's median opening.

    Returns:
        None: the frames are too far apart to show blinks.
    """
    if len(times) < 3 or float(np.median(np.diff(times))) > BLINK_SLOWEST_STEP + 1e-6:
        return None
    first = np.searchsorted(times, times - BLINK_USUAL_WINDOW / 2)
    end = np.searchsorted(times, times + BLINK_USUAL_WINDOW / 2, side="right")
    around = np.array([np.median(eyes[start:stop]) for start, stop in zip(first, end, strict=True)])
    closed = around - eyes > BLINK_DROP * usual
    found = episodes(times, closed, max_gap=float("inf"))
    return [
        each
        for each in found
        if each.start > times[0] and each.end <= times[-1] + 1e-9 and each.end - each.start <= BLINK_LONGEST + 1e-6
    ]


def smiles(times: np.ndarray, smile: np.ndarray, max_gap: float) -> list[Episode]:
    """Smiles in a track: the probability is a half or more, for a quarter of a second or longer.

    Breaks of up to half a second are bridged, because the probability flickers while somebody talks.

    Args:
        times: (N,) seconds, rising.
        smile: (N,) probability, 0 to 1.
        max_gap: as in `episodes`.
    """
    return episodes(
        times, smile >= SMILE_PROBABILITY, max_gap=max_gap, shortest=SMILE_SHORTEST, bridged=SMILE_LONGEST_BREAK
    )


def is_turned_away(yaw_deg: np.ndarray, pitch_deg: np.ndarray, out_of_range: np.ndarray) -> np.ndarray:
    """(N,) bool: turned by more than 30 degrees sideways or 20 up or down, or out of range because it is turned.

    Args:
        yaw_deg: (N,) NaN where it was not read.
        pitch_deg: (N,) NaN where it was not read.
        out_of_range: (N,) the reasons as text, or None.
    """
    turned = np.array([text is not None and "turned" in text for text in out_of_range], bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(turned | (np.abs(yaw_deg) > AWAY_YAW_DEG) | (np.abs(pitch_deg) > AWAY_PITCH_DEG))
