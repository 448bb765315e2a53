"""Detects where one shot ends and the next begins: hard cuts, fades through one colour, dissolves.

It compares thumbnails of every decoded frame (`DecodedFrame.thumbnail`), vectors of 1.5 x 32 x 32 numbers in 0..255.

- A hard cut is a step between two frames that is far larger than the steps just before and after it, or a change of the
  frames' size, after which pixels are others.
- A fade has a frame without contrast between frames with contrast.
- In a dissolve from A to B, a frame is a weighted mean of an earlier and a later one. The residual of the best weighted
  mean is therefore nearly zero in a dissolve, and large if something moved. A slow pan has a small residual too, so the
  earlier and the later frame must also differ under every small shift.

The thresholds were set on 12 clips of talking people, joined in all pairs by dissolves of 0.4 to 2.5 s. In undisturbed
video, a residual below 0.28 came with a best correlation of 0.94 or more, and a correlation below 0.8 with a residual
of 0.33 or more; across dissolves the correlation was below 0.88 in 99 of 100 cases.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["LOOK_AHEAD_S", "ShotDetector", "is_jump"]

SIDE = 32
LUMA = SIDE * SIDE
CUT_STEP = 9.5
"""Mean absolute difference of two frames across a cut, in grey levels."""
CUT_OVER_NEIGHBOURS = 2.5
CUT_CORRELATION = 0.85
NEIGHBOURS = 3
FLAT_CONTRAST = 5.0
FADE_SHARE = 0.25
FADE_RAMP_SHARE = 0.5
FADE_S = 0.7
DISSOLVE_SPANS_S = ((0.5, 0.6), (1.0, 0.25))
"""Pairs of half the span that is compared, and how far to each side of its middle frames are excluded."""
DISSOLVE_CHANGE = 12.0
DISSOLVE_CORRELATION = 0.91
DISSOLVE_LEFT_OVER = 0.24
UNLIKE_CORRELATION = 0.8
UNLIKE_LEFT_OVER = 0.3
"""Larger residual that is allowed below `UNLIKE_CORRELATION`, because people move during a dissolve."""
DISSOLVE_SHIFT_PX = 3
"""Shift in thumbnail pixels by which a pan may move the picture without counting as a dissolve."""
DISSOLVE_EVERY_S = 0.06
DISSOLVE_EDGE_S = 0.12
"""Time before and after a dissolve whose frames are excluded too, because they show a trace of the other picture."""
LOOK_AHEAD_S = 1.25


@dataclass(slots=True, eq=False)
class _Frame:
    index: int
    time_s: float
    thumbnail: np.ndarray
    centred: np.ndarray
    """Its brightness without the mean."""
    contrast: float
    step: float
    is_cut: bool
    is_mixed: bool = False


class ShotDetector:
    """Numbers the shots of a video in a stream, `LOOK_AHEAD_S` behind the newest frame."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque()
        self._undecided = 0
        self._dissolve_next_s = 0.0
        self._shot = 0
        self._is_between = False
        self._size: tuple[int, int] | None = None

    @property
    def has_jumped(self) -> bool:
        """Whether the newest frame differs from the previous one by as much as across a cut."""
        return bool(self._frames) and (self._frames[-1].step >= CUT_STEP or self._frames[-1].is_cut)

    def push(
        self, index: int, time_s: float, thumbnail: np.ndarray, size: tuple[int, int] | None = None
    ) -> list[tuple[int, int | None]]:
        """Look at the next frame.

        Args:
            index: the frame's index.
            time_s: its time; non-decreasing.
            thumbnail: (1536,) float32 in 0..255, from `DecodedFrame.thumbnail`.
            size: its width and height; None: all frames have one size.

        Returns:
            Newly decided frames in order: each frame's index with its shot's number, or None for a frame within a fade
            or dissolve, which belongs to no shot.
        """
        step = _step(self._frames[-1].thumbnail, thumbnail) if self._frames else 0.0
        centred = _centred(thumbnail)
        contrast = math.sqrt(float(centred @ centred) / LUMA)
        is_resized, self._size = bool(self._frames) and size != self._size, size
        self._frames.append(_Frame(index, time_s, thumbnail, centred, contrast, step, is_resized))
        self._mark_cut(len(self._frames) - 1 - NEIGHBOURS)
        self._mark_fade(time_s)
        if time_s >= self._dissolve_next_s:
            self._dissolve_next_s = time_s + DISSOLVE_EVERY_S
            for half_s, marked_s in DISSOLVE_SPANS_S:
                self._mark_dissolve(time_s - 2 * half_s, half_s, marked_s)
        decided = self._decide(time_s - LOOK_AHEAD_S)
        while self._undecided > NEIGHBOURS and self._frames[0].time_s < time_s - 2 * LOOK_AHEAD_S:
            self._frames.popleft()
            self._undecided -= 1
        return decided

    def finish(self) -> list[tuple[int, int | None]]:
        """Decide the remaining frames once the video has ended."""
        for index in range(max(len(self._frames) - NEIGHBOURS, 0), len(self._frames)):
            self._mark_cut(index)
        return self._decide(np.inf)

    def _decide(self, until_s: float) -> list[tuple[int, int | None]]:
        decided: list[tuple[int, int | None]] = []
        last = len(self._frames) - NEIGHBOURS if np.isfinite(until_s) else len(self._frames)
        while self._undecided < last and self._frames[self._undecided].time_s <= until_s:
            frame = self._frames[self._undecided]
            self._undecided += 1
            if frame.is_mixed:
                self._is_between = True
                decided.append((frame.index, None))
                continue
            self._shot += self._is_between or frame.is_cut
            self._is_between = False
            decided.append((frame.index, self._shot))
        return decided

    def _mark_cut(self, index: int) -> None:
        """Mark the frame at this index of the buffer if a cut lies just before it."""
        if index < 1:
            return
        before, frame = self._frames[index - 1], self._frames[index]
        if frame.step < CUT_STEP or frame.is_cut:
            return
        around = [self._frames[at].step for at in range(max(index - NEIGHBOURS, 1), index)]
        around += [self._frames[at].step for at in range(index + 1, min(index + 1 + NEIGHBOURS, len(self._frames)))]
        if frame.step > CUT_OVER_NEIGHBOURS * max(around, default=0.0):
            frame.is_cut = _correlation(before.centred, frame.centred) < CUT_CORRELATION

    def _mark_fade(self, now_s: float) -> None:
        """Mark the frames `FADE_S` ago if they are the low point of a fade, together with its ramps."""
        frames = [frame for frame in self._frames if frame.time_s >= now_s - 2 * FADE_S]
        contrasts = [frame.contrast for frame in frames]
        if min(contrasts) >= max(FLAT_CONTRAST, FADE_SHARE * max(contrasts)):
            return
        contrast = np.array(contrasts)
        before, after = np.maximum.accumulate(contrast), np.maximum.accumulate(contrast[::-1])[::-1]
        in_middle = np.abs(np.array([frame.time_s for frame in frames]) - (now_s - FADE_S)) <= DISSOLVE_EVERY_S
        dark = (contrast < FLAT_CONTRAST) | (in_middle & (contrast < FADE_SHARE * np.minimum(before, after)))
        for at in np.flatnonzero(dark):
            frames[at].is_mixed = True
            for direction, highest in ((-1, before[at]), (1, after[at])):
                near = at + direction
                while 0 <= near < len(frames) and contrast[near] < FADE_RAMP_SHARE * highest:
                    frames[near].is_mixed = True
                    near += direction

    def _mark_dissolve(self, start_s: float, half_s: float, marked_s: float) -> None:
        if self._frames[0].time_s > start_s:
            return
        times_s = [frame.time_s for frame in self._frames]
        begin = bisect_left(times_s, start_s)
        first, last = self._frames[begin].thumbnail, self._frames[-1].thumbnail
        change = last - first
        energy = float(change @ change)
        if energy < DISSOLVE_CHANGE**2 * len(change):
            return
        if _correlation(self._frames[begin].centred, self._frames[-1].centred) > DISSOLVE_CORRELATION:
            return
        frames = list(self._frames)[begin:]
        middle_s = start_s + half_s
        at = bisect_left(times_s, middle_s) - begin
        at -= at > 0 and middle_s - frames[at - 1].time_s <= frames[at].time_s - middle_s
        moved = frames[at].thumbnail - first
        weight = float(moved @ change) / energy
        left_over = moved - weight * change
        share = float(left_over @ left_over) / energy
        if not 0.2 < weight < 0.8 or share > UNLIKE_LEFT_OVER**2:
            return
        correlation = _shifted_correlation(first, last)
        if correlation > DISSOLVE_CORRELATION:
            return
        if correlation > UNLIKE_CORRELATION and share > DISSOLVE_LEFT_OVER**2:
            return
        weights = [float((frame.thumbnail - first) @ change) / energy for frame in frames]
        first_at = last_at = at
        while first_at > 0 and 0.08 < weights[first_at - 1] < 0.92:
            first_at -= 1
        while last_at + 1 < len(frames) and 0.08 < weights[last_at + 1] < 0.92:
            last_at += 1
        from_s = max(frames[first_at].time_s - DISSOLVE_EDGE_S, middle_s - marked_s)
        until_s = min(frames[last_at].time_s + DISSOLVE_EDGE_S, middle_s + marked_s)
        for frame in frames:
            frame.is_mixed |= from_s <= frame.time_s <= until_s


def is_jump(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two neighbouring frames differ as much as across a hard cut, by their `DecodedFrame.thumbnail` alone."""
    return _step(before, after) >= CUT_STEP and _correlation(_centred(before), _centred(after)) < CUT_CORRELATION


def _step(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference of two thumbnails."""
    return float(cv2.norm(before, after, cv2.NORM_L1)) / len(after)


def _centred(thumbnail: np.ndarray) -> np.ndarray:
    """A thumbnail's brightness without its mean."""
    luma = thumbnail[:LUMA]
    return np.asarray(luma - np.float32(cv2.mean(luma)[0]))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two thumbnails' centred brightness, -1 to 1."""
    return float(first @ second) / math.sqrt(float(first @ first) * float(second @ second) + 1.0)


def _shifted_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Best correlation of two thumbnails' brightness over shifts of up to `DISSOLVE_SHIFT_PX`, -1 to 1."""
    edge = DISSOLVE_SHIFT_PX
    first, second = (cv2.GaussianBlur(each[:LUMA].reshape(SIDE, SIDE), (0, 0), 0.7) for each in (first, second))
    middle = np.ascontiguousarray(first[edge:-edge, edge:-edge])
    return float(cv2.matchTemplate(second, middle, cv2.TM_CCOEFF_NORMED).max())
