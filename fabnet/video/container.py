"""Opens a video file within limits, and chooses the stream that a player would show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from fabnet.errors import InputError, VideoError
from fabnet.files.kinds import MOTION_JPEG
from fabnet.files.limits import MAX_PIXELS, check_file
from fabnet.video.display import pixel_aspect, shown_width
from fabnet.video.extent import next_file

__all__ = ["OpenVideo", "first_words", "open_video", "stated_frames"]

MAX_SIDE_PX = 16384
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,h264,hevc,flv,asf,ogg,m4v,gif,ivf,yuv4mpegpipe,mxf,rm,dv,mjpeg"
"""Formats that are opened; playlists are not, because they refer to other files and addresses."""
STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Dispositions of cover pictures and thumbnails, which players do not show as the video."""
ASIDES = (
    Disposition.dependent | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.dub
    | Disposition.comment
)  # fmt: skip
"""Dispositions of secondary streams: layers of another stream, and versions for other audiences."""
PREVIEW_PX = 160
"""Side below which a stream with at most a sixteenth of another's pixels is a preview for the camera's display.
It may be marked as the default: writers that ignore dispositions mark whichever stream comes first."""


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """An open file and the stream that is decoded."""

    container: av.container.InputContainer
    """The file."""
    stream: av.VideoStream
    """The stream that a player would show."""
    note: str
    """Which stream it is, if there are several; empty if there is one."""
    start: int
    """Byte offset at which the video begins."""
    following: int | None
    """Byte offset of another video that was appended to this one; None if there is none."""


@contextmanager
def open_video(path: Path, start: int = 0) -> Iterator[OpenVideo]:
    """Open a video from a local file only, and check the size of its frames.

    Args:
        path: the file.
        start: byte offset at which the video begins.

    Raises:
        VideoError: the file does not exist or has no video, or its frames are too large.
    """
    av.logging.set_level(av.logging.PANIC)
    if not path.exists():
        raise VideoError(f"no such file: {path}")
    try:
        check_file(path, None)
    except InputError as error:
        raise VideoError(str(error)) from None
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); expected a video")
    container = _opened(path, start, None)
    following = next_file(path, container.format.name, start)
    if following is not None:
        container.close()
        container = _opened(path, start, following)
    with container:
        stream, note = _shown_stream(path, container)
        stretch = max(pixel_aspect(stream), Fraction(1))
        width, height = shown_width(stream.width, stretch), stream.height
        if not 0 < max(width, height) <= MAX_SIDE_PX:
            raise VideoError(f"{path} has frames of {width} x {height} px; expected sides of 1 to {MAX_SIDE_PX} px")
        if width * height > MAX_PIXELS:
            raise VideoError(f"{path} has frames of {width} x {height} px; the limit is {MAX_PIXELS:,} pixels in all")
        stream.codec_context.options = {"max_pixels": str(int(MAX_PIXELS / stretch))}  # later frames may be larger
        yield OpenVideo(container, stream, note, start, following)


def _opened(path: Path, start: int, end: int | None) -> av.container.InputContainer:
    """Open a file, or a part of it."""
    name, protocols = str(path.absolute()), "file"
    if start or end is not None:
        name, protocols = f"subfile,,start,{start},end,{end or 0},,:{name}", "file,subfile"
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": protocols}
    # The format is given because FFmpeg takes a large Motion JPEG file for a single picture.
    kind = "mjpeg" if path.suffix.lower() in MOTION_JPEG else None
    try:
        return av.open(name, format=kind, options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} is not a video, or is truncated ({first_words(error)}); is it complete?") from None


def stated_frames(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Number of frames that a file states; 0 if it does not, as IVF, which stores a duration there."""
    return 0 if container.format.name == "ivf" else stream.frames


def first_words(error: Exception) -> str:
    """The part of a library's error that says what failed, in lower case."""
    return (getattr(error, "strerror", None) or str(error).splitlines()[0]).split(":")[0].strip().lower()


def _shown_stream(path: Path, container: av.container.InputContainer) -> tuple[av.VideoStream, str]:
    """Choose the video stream that a player would show, and say which one it is if there are several."""
    found = [stream for stream in container.streams.video if not stream.disposition & STILLS]
    if not found:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no streams"
        raise VideoError(f"{path} has no picture: it contains {kinds}; expected a video")
    most = max(map(_num_pixels, found))
    best = max(found, key=lambda stream: _rank(stream, most))
    if best.codec_context is None:
        raise VideoError(f"{path} has a video stream of an unknown codec; is it complete?")
    if len(found) == 1:
        return best, ""
    is_default = bool(best.disposition & Disposition.default)
    why = "the default one" if is_default else "the largest one" if _num_pixels(best) == most else "the first one"
    why = "the one with several frames" if best is not found[0] and why == "the first one" else why
    chosen = f"number {found.index(best) + 1} ({best.width} x {best.height}, {why})"
    return best, f"it contains {len(found)} video streams; {chosen} was read"


def _num_pixels(stream: av.VideoStream) -> int:
    return 0 if stream.codec_context is None else stream.width * stream.height


def _rank(stream: av.VideoStream, most: int) -> tuple[bool, bool, bool, bool, bool, int, int]:
    """Sort key for how likely a player shows a stream; `max` takes the first of equals.

    It follows FFmpeg's `av_find_best_stream` (the default stream), except that it ranks unmarked covers (a single
    frame) lower; then, as the program `ffmpeg`, it prefers the most pixels, then the highest bit rate.
    """
    pixels = _num_pixels(stream)
    return (
        pixels > 0,
        16 * pixels > most or (pixels > 0 and min(stream.width, stream.height) >= PREVIEW_PX),
        not stream.disposition & ASIDES,
        stream.frames != 1,
        bool(stream.disposition & Disposition.default),
        pixels,
        (stream.bit_rate or 0) if pixels else 0,
    )
