"""Streams the frames of a video file as a player shows them, with their times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np

from fabnet.errors import VideoError
from fabnet.faces.detect.pyramid import halves
from fabnet.files.limits import MAX_FRAMES
from fabnet.video.bounds import Bounds
from fabnet.video.clock import Clock
from fabnet.video.container import open_video
from fabnet.video.display import (
    PLANAR,
    Turn,
    as_shown,
    has_planes,
    part_as_shown,
    pixel_aspect,
    plane,
    shown_size,
    turn_of,
)
from fabnet.video.extent import next_flv
from fabnet.video.packets import Pictures
from fabnet.video.rate import check_fps
from fabnet.video.sizes import Sizes
from fabnet.video.square import square_as_shown

__all__ = ["DecodedFrame", "Frame", "Ticks", "VideoInfo", "decode_frames", "read_frames", "video_info"]

CLOCK_S = 5e-4
"""Tolerance by which a frame may precede its tick, because time stamps are rounded to the container's clock."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame."""

    index: int
    """Index in the video, from 0, in display order."""
    time_s: float
    """Time stamp in seconds, from `Clock`: 0 at the first frame, unless the sound begins earlier."""
    image: np.ndarray
    """(H, W, 3) uint8 RGB, as displayed: with square pixels, mirrored and turned as the file says."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Size, frame rate and duration of a video as its file states them."""

    width: int
    """Width in pixels, as displayed."""
    height: int
    """Height in pixels, as displayed."""
    fps: float
    """Mean frames per second; 0 if the file does not say."""
    duration_s: float
    """Duration in seconds; 0 if the file does not say."""


def video_info(path: Path) -> VideoInfo:
    """Read what a file states about its video, decoding one frame.

    Raises:
        VideoError: the file does not exist or has no video.
    """
    path = Path(path)
    with open_video(path) as video:
        container, stream = video.container, video.stream
        duration = float(container.duration or 0) / av.time_base
        # In a file without time stamps FFmpeg's mean rate is only a guess of 25, so the stream's own rate is used.
        has_clock = stream.start_time is not None
        fps = float((stream.average_rate if has_clock else stream.guessed_rate) or 0)
        pictures = Pictures(video)
        first = next(iter(pictures), None)
        if first is None:
            raise pictures.none_came(path)
        width, height = shown_size(first, pixel_aspect(stream), turn_of(first))
    return VideoInfo(width, height, fps, duration)


class DecodedFrame:
    """A decoded frame whose colours are converted on demand; valid until the next frame is decoded.

    Attributes:
        index: index in the video, from 0, in display order.
        time_s: time stamp in seconds, from `Clock`: 0 at the first frame, unless the sound begins earlier.
    """

    def __init__(self, index: int, time_s: float, picture: av.VideoFrame, aspect: Fraction) -> None:
        self.index, self.time_s, self._picture, self._aspect = index, time_s, picture, aspect

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, as displayed."""
        return as_shown(self._picture, self._aspect, self._turn)

    @cached_property
    def _turn(self) -> Turn:
        return turn_of(self._picture)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of `image`."""
        return shown_size(self._picture, self._aspect, self._turn)

    def part(self, box_px: np.ndarray) -> tuple[int, int, np.ndarray]:
        """The part of `image` that a box covers, without converting more than needed.

        Args:
            box_px: (4,) x0, y0, x1, y1; it may extend beyond the frame.

        Returns:
            The part's left and top in the frame, and the part: at least one pixel.
        """
        return part_as_shown(self._picture, self._aspect, self._turn, box_px)

    def square(self, left: int, top: int, side: int, size: int) -> np.ndarray | None:
        """A square of `image` on whole pixels, shrunk to (size, size, 3); None: its `part` has to be converted first.

        Args:
            left: first column; the square may extend beyond the frame.
            top: first row.
            side: side in pixels, at least twice the size.
            size: side of the result.
        """
        if not self._has_planes:
            return None
        return square_as_shown(self._picture, self._planes, self._turn, (left, top, side), size)

    @cached_property
    def _planes(self) -> list[np.ndarray]:
        return [plane(each) for each in self._picture.planes]

    @cached_property
    def _has_planes(self) -> bool:
        return has_planes(self._picture, self._aspect)

    @property
    def num_bytes(self) -> int:
        """Memory of the picture as decoded."""
        return sum(plane.buffer_size for plane in self._picture.planes)

    def thumbnail(self, size: int = 32) -> np.ndarray:
        """A thumbnail of the frame as stored (neither stretched nor turned).

        Args:
            size: side of the brightness in pixels; even.

        Returns:
            (size * size * 3 / 2,) float32 in 0..255: brightness row by row, then the two colour differences at half the
            size.
        """
        picture = self._picture
        if picture.format.name not in PLANAR:
            picture = picture.reformat(format="yuv420p", threads=1)
            planes = [plane(each) for each in picture.planes]
        else:
            planes = self._planes
        parts = []
        for each, side in zip(planes, (size, size // 2, size // 2), strict=True):
            rows = halves(each, 2 * side)[-1]
            parts.append(cv2.resize(rows, (side, side), interpolation=cv2.INTER_AREA).ravel())
        return np.concatenate(parts).astype(np.float32)


class Ticks:
    """Chooses frames by their time stamps: the first at or after each tick of 1 / fps.

    Args:
        fps: ticks per second; None: every frame is chosen.

    Raises:
        InputError: `fps` is not a positive number.
    """

    def __init__(self, fps: float | None) -> None:
        check_fps(fps)
        self._fps, self._next = fps, 0

    def meets(self, time_s: float) -> bool:
        """Whether the frame at this time is chosen; call it once per frame, in order."""
        if self._fps is None:
            return True
        ticks = (time_s + CLOCK_S) * self._fps
        if ticks < self._next:
            return False
        self._next = int(ticks) + 1
        return True


def decode_frames(path: Path, *, notes: list[str] | None = None) -> Iterator[DecodedFrame]:
    """Decode every frame of a video as a stream, on one thread; memory does not grow with its length.

    Args:
        path: the file. Several videos joined into one file are decoded one after another.
        notes: list that receives notes on an intact file: which of several streams was read, that its clock jumps, and
            that its frames change size.

    Yields:
        Frames in display order, without those of packets that cannot be decoded.

    Raises:
        VideoError: the file does not exist, has no video, or no frame can be decoded; or, after the last good frame,
            the file is truncated or corrupt, with the number of frames lost.
    """
    path, complaints, sizes = Path(path), list[str](), Sizes()
    index, reached_s, start = 0, 0.0, 0
    while True:
        try:
            with open_video(path, start) as video:
                # One thread takes a quarter to a half less CPU time than two, and videos run in parallel anyway.
                video.stream.codec_context.thread_count = 1
                aspect, clock = pixel_aspect(video.stream), Clock(video.container, video.stream, reached_s)
                pictures, bounds, began_s = Pictures(video), Bounds(path, video.container, video.stream), reached_s
                for picture in pictures:
                    if index == MAX_FRAMES:
                        limit = f"{MAX_FRAMES:,} frames, which is the limit"
                        raise VideoError(f"{path} has more than {limit}: split it into parts")
                    time_s = clock.time_of(picture)
                    bounds.count(picture, time_s - began_s)
                    frame = DecodedFrame(index, time_s, picture, aspect)
                    sizes.add(index, frame.size)
                    yield frame
                    index += 1
                complaints += pictures.complaints(path, clock)
                if notes is not None:
                    notes += [video.note] * bool(video.note) + clock.notes()
                reached_s = clock.reached_s
                following = video.following
                if video.container.format.name == "flv":
                    following = next_flv(path, start + pictures.end)
        except VideoError as error:
            if not start:
                raise
            complaints.append(f"{path}: a second video begins at byte {start:,} but cannot be read: {error}")
            break
        if following is None:
            break
        start = following
    if notes is not None:
        notes += sizes.notes()
    if complaints:
        raise VideoError("; ".join(complaints))


def read_frames(
    path: Path, *, fps: float | None = None, on_decoded: Callable[[float], None] | None = None
) -> Iterator[Frame]:
    """Decode a video as a stream; memory does not grow with its length.

    Args:
        path: the file.
        fps: frames kept per second of video: the first at or after each tick of 1 / fps, which respects variable frame
            rates; None: all.
        on_decoded: called with the time of each decoded frame, kept or not.

    Yields:
        Frames in display order.

    Raises:
        VideoError: see `decode_frames`; the good frames have been yielded by then.
    """
    ticks = Ticks(fps)
    for decoded in decode_frames(path):
        if on_decoded is not None:
            on_decoded(decoded.time_s)
        if ticks.meets(decoded.time_s):
            yield Frame(decoded.index, decoded.time_s, decoded.image())
