"""Writes frames to a video file, one after another."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from fabnet.errors import MissingDependencyError
from fabnet.video.decode import Frame

__all__ = ["VideoWriter"]

ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""Encoders in order of preference: H.264 if the installed FFmpeg has it, otherwise MPEG-4 part 2."""
CLOCK = Fraction(1, 60_000)
"""Time base: a whole number of ticks per frame at 24, 25, 30, 50 and 60 frames per second, and at these over 1.001."""


class VideoWriter:
    """Writes an MP4 file without sound; a context manager. Memory does not grow with the video's length.

    Args:
        file: the file to write.
        fps: approximate frames per second.

    Raises:
        MissingDependencyError: the installed FFmpeg has none of `ENCODERS`.
        OSError: the file cannot be written.
    """

    def __init__(self, file: Path, *, fps: float) -> None:
        encoders = [name for name in ENCODERS if _can_encode(name)]
        if not encoders:
            raise MissingDependencyError(f"PyAV has no encoder of {', '.join(ENCODERS)}: pip install --upgrade av")
        # The path is absolute because FFmpeg takes the a of a relative path a:b for a protocol.
        self._container = av.open(str(file.absolute()), "w", format="mp4")
        stream = self._container.add_stream(encoders[0], rate=Fraction(fps).limit_denominator(1001))
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._ticks = -1

    def write(self, frame: Frame) -> None:
        """Add a frame.

        Args:
            frame: the next frame in order of time, of the same size as all others. With an odd width or height, colours
                are stored at full resolution, which fewer players support.
        """
        height, width = frame.image.shape[:2]
        if self._ticks < 0:
            self._stream.width, self._stream.height = width, height
            is_halved = width % 2 == height % 2 == 0 or self._stream.codec_context.name == "mpeg4"
            self._stream.pix_fmt = "yuv420p" if is_halved else "yuv444p"
            self._stream.codec_context.time_base = CLOCK
            if self._stream.codec_context.name == "libx264":
                self._stream.options = {"crf": "18", "preset": "veryfast"}
            else:
                self._stream.bit_rate = 6 * width * height
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.image), format="rgb24")
        self._ticks = max(self._ticks + 1, round(frame.time_s / CLOCK))
        picture.pts, picture.time_base = self._ticks, CLOCK
        self._container.mux(self._stream.encode(picture))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush the encoder and close the file."""
        try:
            if kind is None and self._ticks >= 0:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()


def _can_encode(name: str) -> bool:
    try:
        return bool(av.codec.Codec(name, "w"))
    except ValueError:  # av.codec.codec.UnknownCodecError
        return False
