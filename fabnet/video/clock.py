"""Computes the time of each decoded frame from time stamps that may start again, jump, repeat or be missing."""

from __future__ import annotations

import av

__all__ = ["AHEAD_S", "USUAL_FPS", "Clock"]

BACK_S = 0.1
"""Step back in time beyond which the recording's clock has started again."""
AHEAD_S = 10.0
"""Gap beyond which, in formats whose clocks may jump, the clock has jumped rather than paused."""
LATE_S = 0.1
"""Time by which the picture may begin after the sound and still count as beginning with it: encoders delay the two by
different amounts."""
TS_DISCONT = 0x200
"""FFmpeg's AVFMT_TS_DISCONT: the format allows time stamps that jump (MPEG-TS, MPEG-PS, Ogg)."""
USUAL_FPS = 25


class Clock:
    """Converts time stamps to non-decreasing seconds since the start, by the rules of the program `ffmpeg`.

    - The start is the first frame, or the sound if it begins more than `LATE_S` earlier: in a call that is recorded, a
      camera may be turned on after minutes, and players and annotations of speech count from the sound.
    - If a time stamp is more than `BACK_S` before the time reached, two recordings were joined or the camera restarted.
      Time continues one frame after the last one, and later frames count from there.
    - A gap of more than `AHEAD_S` is bridged in the same way in MPEG-TS, MPEG-PS and Ogg, where recorders leave stale
      packets in front and clocks wrap around. In other formats (MP4, Matroska, AVI, FLV...) it is a pause and is kept.
    - A frame whose time stamp is missing or repeated comes one frame after the last one.

    Args:
        container: the open file.
        stream: its decoded stream.
        start_s: time of the start.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream, start_s: float = 0.0) -> None:
        self.may_jump = bool(container.format.flags & TS_DISCONT)
        """Whether the format's clock may jump."""
        base = stream.time_base
        self._numerator, self._denominator = (base.numerator, base.denominator) if base else (1, 1)
        self._usual_s = 1 / float(stream.guessed_rate or stream.average_rate or USUAL_FPS)
        self._guess = _BestStamp()
        self._offset_s: float | None = None
        self._stamp_before: int | None = None
        self.start_s = self._last_s = start_s
        """Time of the start."""
        self.reached_s = start_s
        """End of the last frame."""
        self.frame_s = self._usual_s
        """Duration of the last frame."""
        self._num_jumps, self._paused_s, self._late_s = 0, 0.0, 0.0
        self._sound_s = _sound_start(container)
        self.num_missing = 0
        """Number of frames that would fit into the gaps between frames; they are lost only if the file is damaged."""

    def time_of(self, picture: av.VideoFrame) -> float:
        """Seconds since the start.

        Args:
            picture: the next frame in display order.
        """
        stamp = self._guess.stamp(picture.pts, picture.dts)
        if stamp is None or stamp == self._stamp_before:
            time_s = self.reached_s
        else:
            stamp_s = self._seconds(stamp)
            if self._offset_s is None:
                self._begin(stamp_s)
                self._offset_s = self.reached_s - stamp_s
            time_s = stamp_s + self._offset_s
            jumps = self.may_jump and time_s > self.reached_s + AHEAD_S
            if jumps or time_s < self._last_s - BACK_S:
                self._offset_s = self.reached_s - stamp_s
                time_s = self.reached_s
                self._num_jumps += 1
            self._stamp_before = stamp
        gap_s = time_s - self.reached_s
        self._paused_s += gap_s if gap_s > AHEAD_S else 0.0
        self.num_missing += max(0, round(gap_s / self.frame_s))
        self.frame_s = self._seconds(picture.duration) if picture.duration > 0 else self._usual_s
        self._last_s = max(self._last_s, time_s)
        self.reached_s = self._last_s + self.frame_s
        return self._last_s

    def _begin(self, stamp_s: float) -> None:
        """Let the first frame come late by as much as the picture begins after the sound."""
        late_s = 0.0 if self._sound_s is None else stamp_s - self._sound_s
        if late_s <= LATE_S or (self.may_jump and late_s > AHEAD_S):
            return
        self._late_s = late_s
        self._last_s = self.reached_s = self.start_s + late_s

    def notes(self) -> list[str]:
        """Notes for the user: where times differ from the file's own, and pauses."""
        found = []
        if self._late_s:
            found.append(f"its picture begins {self._late_s:.1f} s after its sound; times count from the sound's start")
        if self._num_jumps:
            found.append(f"its clock jumps ({self._num_jumps} x); time continues there from the last frame")
        if self._paused_s:
            found.append(f"it shows no new picture for {self._paused_s:.1f} s in all")
        return found

    def _seconds(self, ticks: int) -> float:
        return float(ticks) * self._numerator / self._denominator


def _sound_start(container: av.container.InputContainer) -> float | None:
    """When a file's first sound begins by its own clock; None if it has no sound or does not say."""
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in container.streams.audio
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=None)


class _BestStamp:
    """Chooses between a frame's own time stamp and its packet's decoding time, as FFmpeg does.

    It takes the one that has gone backwards less often so far.
    """

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
