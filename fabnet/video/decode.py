"""Decoding: a video file to its frames, upright, with their times, as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from fabnet.errors import VideoError

__all__ = ["Frame", "VideoInfo", "read_frames", "video_info"]

MAX_SIDE_PX = 16384


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame.

    Attributes:
        index: its number in the video, from 0, in the order of display.
        time_s: its time stamp in seconds, 0 at the first frame.
        image: (H, W, 3) uint8 RGB, as displayed: the file's rotation is applied.
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
    if path.is_file() and path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); expected a video")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} is no video, or is cut short ({_reason(error)}); is it whole?") from None
    with container:
        if not container.streams.video:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise VideoError(f"{path} has no picture: it holds {kinds}; expected a video")
        stream = container.streams.video[0]
        if not 0 < max(stream.width, stream.height) <= MAX_SIDE_PX:
            raise VideoError(
                f"{path} has frames of {stream.width} x {stream.height} px; expected 1 to {MAX_SIDE_PX} a side"
            )
        yield container, stream


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error).splitlines()[0]).split(":")[0].strip().lower()


def video_info(path: Path) -> VideoInfo:
    """Read what a file says of its video, decoding one frame.

    Raises:
        VideoError: no such file, or no video in it.
    """
    with _open(Path(path)) as (container, stream):
        duration = float(container.duration or 0) / av.time_base
        fps = float(stream.average_rate or 0)
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise VideoError(f"{path} cannot be decoded ({_reason(error)}); is it whole?") from None
        if first is None:
            raise VideoError(f"{path} holds no frame; is it whole?")
        turned = round(first.rotation / 90) % 2 == 1
        width, height = (first.height, first.width) if turned else (first.width, first.height)
    return VideoInfo(width, height, fps, duration)


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
        VideoError: no such file, no video in it, nothing decodable; or, after the last good frame, damage in the
            middle.
    """
    path = Path(path)
    with _open(path) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        first_s: float | None = None
        next_tick, count = 0, 0
        frames = container.decode(stream)
        while True:
            try:
                picture = next(frames)
            except (StopIteration, av.EOFError):
                break
            except (av.FFmpegError, ValueError) as error:
                after = f"after {count} frames" if count else "at its first frame"
                raise VideoError(f"{path} cannot be decoded {after} ({_reason(error)}); is it whole?") from None
            stamp = picture.time
            time_s = count / float(stream.average_rate or 25) if stamp is None else float(stamp)
            first_s = time_s if first_s is None else first_s
            time_s = max(0.0, time_s - first_s)
            if on_decoded is not None:
                on_decoded(time_s)
            # Time stamps are rounded to the container's clock: a tick is met from half a millisecond before it on.
            if fps is None or time_s + 5e-4 >= next_tick / fps:
                if fps is not None:
                    next_tick = int((time_s + 5e-4) * fps) + 1
                yield Frame(count, time_s, _upright(picture))
            count += 1
        if count == 0:
            raise VideoError(f"{path} holds no frame that can be decoded; is it whole?")
        expected = stream.frames
        if expected and count < 0.98 * expected - 2:
            raise VideoError(f"{path} is cut short: {count} of {expected} frames could be decoded")


def _upright(picture: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the file's display matrix says (counter-clockwise degrees)."""
    image = picture.to_ndarray(format="rgb24")
    quarter_turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image
