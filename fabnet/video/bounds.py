"""Limits on decoding a video: memory for reference frames, and the number of frames for its stated duration."""

from __future__ import annotations

import math
import os
from pathlib import Path

import av

from fabnet.errors import InputError, VideoError
from fabnet.runtime.memory import resident_bytes
from fabnet.video.container import stated_frames

__all__ = ["Bounds"]

MAX_DECODER_BYTES = 2**31
"""Upper bound on a process's growth while it decodes one video; 8K with five reference frames takes half a GB."""
WATCHED_PIXELS = 16_000_000
"""Pixels per frame from which memory is checked; smaller frames need less, as decoders keep about thirty at most."""
MAX_FPS = 300.0
"""Default upper bound on a video's frames per second."""
VARIABLE = "FABNET_MAX_FPS"


class Bounds:
    """Checks the limits while a video is decoded.

    Args:
        path: the file.
        container: the open file.
        stream: its video stream.

    Raises:
        VideoError: the file states too many frames for its duration.
        InputError: FABNET_MAX_FPS is not a positive number.
    """

    def __init__(self, path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._path, self._start_bytes = path, resident_bytes()
        stated_s = float(container.duration or 0) / av.time_base
        if stream.duration and stream.time_base:
            stated_s = max(stated_s, float(stream.duration * stream.time_base))
        self._stated_s, self._max_fps, self._count = stated_s, _max_fps(), 0
        self._check_count(stated_frames(container, stream), 0.0)

    def count(self, picture: av.VideoFrame, time_s: float) -> None:
        """Count a decoded frame.

        Args:
            picture: the frame.
            time_s: its time since the first frame.

        Raises:
            VideoError: there are too many frames for the larger of stated and decoded duration, or they take too much
                memory.
        """
        self._count += 1
        self._check_count(self._count, time_s)
        if picture.width * picture.height >= WATCHED_PIXELS:
            taken = resident_bytes() - self._start_bytes
            if taken > MAX_DECODER_BYTES:
                raise VideoError(
                    f"{self._path} takes more than {MAX_DECODER_BYTES / 2**30:.0f} GB of memory to decode, which is "
                    f"the limit: frames of {picture.width} x {picture.height} px that refer to too many others"
                )

    def _check_count(self, count: int, time_s: float) -> None:
        seconds = max(self._stated_s, time_s, 1.0)
        if count > self._max_fps * seconds + 1:
            raise VideoError(
                f"{self._path} has more than {self._max_fps:g} frames per second ({count:,} in {seconds:.1f} s), which "
                f"is the limit; if that is right, set {VARIABLE} to a larger number"
            )


def _max_fps() -> float:
    given = os.environ.get(VARIABLE)
    if given is None:
        return MAX_FPS
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise InputError(f"{VARIABLE} is {given!r}: give a positive number of frames per second, or inf")
    return number
