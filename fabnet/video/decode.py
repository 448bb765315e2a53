"""Decoding: a video file to its frames, as they are shown, with their times, as a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from fabnet.errors import InputError, VideoError
from fabnet.limits import MAX_FRAMES, MAX_PIXELS, check_file
from fabnet.video.clock import Clock
from fabnet.video.display import as_shown, pixel_aspect, shown_size, shown_width
from fabnet.video.pyramid import halves

__all__ = ["DecodedFrame", "Frame", "Ticks", "VideoInfo", "check_fps", "decode_frames", "read_frames", "video_info"]

MAX_SIDE_PX = 16384
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,h264,hevc,flv,asf,ogg,m4v,gif,ivf,yuv4mpegpipe"
"""What is opened: no playlists, whose lines would name other files and addresses."""
CLOCK_S = 5e-4
"""Time stamps are rounded to the container's clock: a tick is met from this long before it on."""
PLANAR = ("yuv420p", "yuvj420p")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame.

    Attributes:
        index: its number in the video, from 0, in the order of display.
        time_s: its time stamp in seconds, 0 at the first frame.
        image: (H, W, 3) uint8 RGB, as displayed: with square pixels, mirrored and turned as the file says.
    """

    index: int
    time_s: float
    image: np.ndarray


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a file says of its video.

    Attributes:
        width: in pixels as displayed.
        height: likewise.
        fps: mean frames a second, 0 if the file does not say.
        duration_s: in seconds, 0 if the file does not say.
    """

    width: int
    height: int
    fps: float
    duration_s: float


@contextmanager
def _open(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    av.logging.set_level(av.logging.PANIC)
    if not path.exists():
        raise VideoError(f"no such file: {path}")
    try:
        check_file(path, None)
    except InputError as error:
        raise VideoError(str(error)) from None
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); expected a video")
    try:
        container = av.open(
            str(path.absolute()), options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} is no video, or is cut short ({_reason(error)}); is it whole?") from None
    with container:
        pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not pictures:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise VideoError(f"{path} has no picture: it holds {kinds}; expected a video")
        stream = pictures[0]
        if stream.codec_context is None:
            raise VideoError(f"{path} has a picture of an unknown codec; is it whole?")
        stretch = max(pixel_aspect(stream), Fraction(1))
        width, height = shown_width(stream.width, stretch), stream.height
        if not 0 < max(width, height) <= MAX_SIDE_PX:
            raise VideoError(f"{path} has frames of {width} x {height} px; expected 1 to {MAX_SIDE_PX} a side")
        if width * height > MAX_PIXELS:
            raise VideoError(f"{path} has frames of {width} x {height} px; the limit is {MAX_PIXELS:,} pixels in all")
        stream.codec_context.options = {"max_pixels": str(int(MAX_PIXELS / stretch))}  # frames may grow later on
        yield container, stream


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether a stream is the still picture of a song or a book."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error).splitlines()[0]).split(":")[0].strip().lower()


def _num_shown(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """How many frames should come, 0 if the file does not say. An MP4's edit list hides those that were trimmed away
    without encoding anew: they are still counted by `frames`, but marked in the index or not in it."""
    if stream.frames and "mp4" in container.format.name:
        return sum(not entry.is_discard for entry in stream.index_entries)
    return stream.frames


def video_info(path: Path) -> VideoInfo:
    """Read what a file says of its video, decoding one frame.

    Raises:
        VideoError: no such file, or no video in it.
    """
    with _open(Path(path)) as (container, stream):
        duration = float(container.duration or 0) / av.time_base
        # A file without a clock is timed by its stream's own rate; FFmpeg's mean rate is then a guess of 25.
        has_clock = stream.start_time is not None
        fps = float((stream.average_rate if has_clock else stream.guessed_rate) or 0)
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise VideoError(f"{path} cannot be decoded ({_reason(error)}); is it whole?") from None
        if first is None:
            raise VideoError(f"{path} holds no frame; is it whole?")
        width, height = shown_size(first, pixel_aspect(stream))
    return VideoInfo(width, height, fps, duration)


class DecodedFrame:
    """A decoded frame whose colours are converted only when asked for; good until the next one is decoded.

    Attributes:
        index: its number in the video, from 0, in the order of display.
        time_s: its time stamp in seconds, 0 at the first frame.
    """

    def __init__(self, index: int, time_s: float, picture: av.VideoFrame, aspect: Fraction) -> None:
        self.index, self.time_s, self._picture, self._aspect = index, time_s, picture, aspect

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, as displayed."""
        return as_shown(self._picture, self._aspect)

    def thumbnail(self, size: int = 32) -> np.ndarray:
        """The frame at a glance, as stored (neither stretched nor turned).

        Args:
            size: pixels a side of the brightness; even.

        Returns:
            (size * size * 3 / 2,) float32 in 0..255: brightness row by row, then the two colour differences at half the
            size.
        """
        picture = self._picture
        if picture.format.name not in PLANAR:
            picture = picture.reformat(format="yuv420p", threads=1)
        parts = []
        for plane, side in zip(picture.planes, (size, size // 2, size // 2), strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
                : plane.height, : plane.width
            ]
            rows = halves(rows, 2 * side)[-1]
            parts.append(cv2.resize(rows, (side, side), interpolation=cv2.INTER_AREA).ravel())
        return np.concatenate(parts).astype(np.float32)


def check_fps(fps: float | None, name: str = "fps") -> None:
    """Refuse frames a second that are no positive number; None, all of them, passes.

    Raises:
        InputError: they are none.
    """
    if fps is not None and not 0 < fps < math.inf:
        raise InputError(f"{name} is {fps}: give a positive number of frames a second")


class Ticks:
    """Chooses frames by their time stamps: the first at or after each tick of 1 / fps.

    Args:
        fps: ticks a second; None: every frame is chosen.

    Raises:
        InputError: `fps` is no positive number.
    """

    def __init__(self, fps: float | None) -> None:
        check_fps(fps)
        self._fps, self._next = fps, 0

    def meets(self, time_s: float) -> bool:
        """Whether the frame at this time is chosen; call it once a frame, in order."""
        if self._fps is None:
            return True
        ticks = (time_s + CLOCK_S) * self._fps
        if ticks < self._next:
            return False
        self._next = int(ticks) + 1
        return True


def decode_frames(path: Path) -> Iterator[DecodedFrame]:
    """Decode every frame of a video as a stream, on one thread; memory does not grow with its length.

    Args:
        path: the file.

    Yields:
        Frames in the order of display. A packet that cannot be decoded is left out.

    Raises:
        VideoError: no such file, no video in it, nothing decodable; or, after the last good frame, that the file is
            damaged or cut short.
    """
    path = Path(path)
    with _open(path) as (container, stream):
        # One thread costs a quarter to a half less processor time than two, and videos run side by side anyway.
        stream.codec_context.thread_count = 1
        count, damage = 0, ""
        aspect, clock = pixel_aspect(stream), Clock(container, stream)
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.EOFError):
                break
            except (av.FFmpegError, OSError, ValueError) as error:
                damage = _reason(error)
                break
            try:
                pictures = packet.decode()
            except (av.FFmpegError, ValueError) as error:
                damage = damage or _reason(error)
                continue
            for picture in pictures:
                if count == MAX_FRAMES:
                    raise VideoError(f"{path} has more than {MAX_FRAMES:,} frames, which is the limit: cut it in parts")
                yield DecodedFrame(count, clock.time_of(picture), picture, aspect)
                count += 1
        if count == 0:
            raise VideoError(f"{path} holds no frame that can be decoded ({damage or 'no data'}); is it whole?")
        expected = _num_shown(container, stream)
        if count < 0.98 * expected - 2:
            raise VideoError(f"{path} is cut short or damaged: {count} of {expected} frames could be decoded")
        if damage:
            raise VideoError(f"{path} is damaged ({damage}): {count} frames could be decoded, up to {clock.last_s:.1f} s")


def read_frames(
    path: Path, *, fps: float | None = None, on_decoded: Callable[[float], None] | None = None
) -> Iterator[Frame]:
    """Decode a video as a stream; memory does not grow with its length.

    Args:
        path: the file.
        fps: frames kept a second of the video's time: the first at or after each tick of 1 / fps, so a variable frame
            rate is honoured; None: all.
        on_decoded: called with the time of each decoded frame, kept or not.

    Yields:
        Frames in the order of display.

    Raises:
        VideoError: as `decode_frames`; what was good before the damage has been yielded by then.
    """
    ticks = Ticks(fps)
    for decoded in decode_frames(path):
        if on_decoded is not None:
            on_decoded(decoded.time_s)
        if ticks.meets(decoded.time_s):
            yield Frame(decoded.index, decoded.time_s, decoded.image())
