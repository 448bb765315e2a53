"""The time of each decoded frame: time stamps that start again, jump, repeat or are missing become one time axis."""

from __future__ import annotations

import av

__all__ = ["Clock"]

BACK_S = 0.1
"""A time stamp this much before the time reached means that the recording's clock started again."""
AHEAD_S = 10.0
"""In formats whose clocks may jump, a gap longer than this is a jump and not a pause."""
TS_DISCONT = 0x200
"""FFmpeg's AVFMT_TS_DISCONT: the format allows time stamps that jump (MPEG-TS, MPEG-PS, Ogg)."""
USUAL_FPS = 25


class Clock:
    """Turns time stamps to seconds since the first frame that never go back, by the rule of the program `ffmpeg`.

    - A time stamp more than `BACK_S` before the time reached: two recordings were joined, or the camera restarted.
      Time goes on one frame after the last one, and later frames count from there.
    - A gap of more than `AHEAD_S` is bridged in the same way in MPEG-TS, MPEG-PS and Ogg, where recorders leave stale
      packets in front and clocks wrap around. In other formats (MP4, Matroska, AVI, FLV...) it is a pause, and is kept.
    - A time stamp that is missing, or the same as the one before: one frame after the last one.

    Args:
        container: that is decoded.
        stream: of it.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._may_jump = bool(container.format.flags & TS_DISCONT)
        base = stream.time_base
        self._numerator, self._denominator = (base.numerator, base.denominator) if base else (1, 1)
        self._usual_s = 1 / float(stream.guessed_rate or stream.average_rate or USUAL_FPS)
        self._guess = _BestStamp()
        self._offset_s: float | None = None
        self._stamp_before: int | None = None
        self._next_s = 0.0
        self.last_s = 0.0
        """Time of the last frame."""
        self.num_missing = 0
        """How many frames would fit into the gaps between frames; they are lost only if the file is damaged."""

    def time_of(self, picture: av.VideoFrame) -> float:
        """Seconds since the first frame.

        Args:
            picture: the next frame in the order of display.
        """
        stamp = self._guess.stamp(picture.pts, picture.dts)
        if stamp is None or stamp == self._stamp_before:
            time_s = self._next_s
        else:
            stamp_s = self._seconds(stamp)
            if self._offset_s is None:
                self._offset_s = self._next_s - stamp_s
            time_s = stamp_s + self._offset_s
            jumps = self._may_jump and time_s > self._next_s + AHEAD_S
            if jumps or time_s < self.last_s - BACK_S:
                self._offset_s = self._next_s - stamp_s
                time_s = self._next_s
            self._stamp_before = stamp
        duration_s = self._seconds(picture.duration) if picture.duration > 0 else self._usual_s
        self.num_missing += max(0, round((time_s - self._next_s) / duration_s))
        self.last_s = max(self.last_s, time_s)
        self._next_s = self.last_s + duration_s
        return self.last_s

    def _seconds(self, ticks: int) -> float:
        return float(ticks) * self._numerator / self._denominator


class _BestStamp:
    """Chooses between a frame's own time stamp and its packet's decoding time, as FFmpeg does: the one that went
    backwards less often so far."""

    def __init__(self) -> None:
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._bad_pts = self._bad_dts = 0

    def stamp(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._bad_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._bad_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        return pts if pts is not None and (dts is None or self._bad_pts <= self._bad_dts) else dts
