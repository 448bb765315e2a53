"""A video file, opened: within limits, and with the stream that a player would show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from fabnet.errors import InputError, VideoError
from fabnet.files.limits import MAX_PIXELS, check_file
from fabnet.video.display import pixel_aspect, shown_width
from fabnet.video.extent import next_file

__all__ = ["OpenVideo", "first_words", "open_video", "stated_frames"]

MAX_SIDE_PX = 16384
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,h264,hevc,flv,asf,ogg,m4v,gif,ivf,yuv4mpegpipe,mxf,rm,dv,mjpeg"
"""What is opened: no playlists, whose lines would name other files and addresses."""
STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Covers of songs and books, and thumbnails: no player shows them as the video."""
ASIDES = (
    Disposition.dependent | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.dub
    | Disposition.comment
)  # fmt: skip
"""Streams beside the main one: layers of another stream, and versions for other audiences."""
MOTION_JPEG = (".mjpg", ".mjpeg")
PREVIEW_PX = 160
"""A stream with a side below this, and a sixteenth of another's pixels or less, is a preview for the camera's display.
Writers that know nothing of dispositions mark whatever comes first as the default."""


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """An open file and the stream that is decoded."""

    container: av.container.InputContainer
    """The file."""
    stream: av.VideoStream
    """The stream that a player would show."""
    note: str
    """Which stream that is where there are several; empty where there is one."""
    start: int
    """The byte at which the video begins."""
    following: int | None
    """The byte at which another video begins that was joined to this one."""


@contextmanager
def open_video(path: Path, start: int = 0) -> Iterator[OpenVideo]:
    """Open a video, with no more than the protocol `file`, and check its size.

    Args:
        path: the file.
        start: the byte at which the video begins.

    Raises:
        VideoError: no such file, no video in it, or its frames are too large.
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
            raise VideoError(f"{path} has frames of {width} x {height} px; expected 1 to {MAX_SIDE_PX} a side")
        if width * height > MAX_PIXELS:
            raise VideoError(f"{path} has frames of {width} x {height} px; the limit is {MAX_PIXELS:,} pixels in all")
        stream.codec_context.options = {"max_pixels": str(int(MAX_PIXELS / stretch))}  # frames may grow later on
        yield OpenVideo(container, stream, note, start, following)


def _opened(path: Path, start: int, end: int | None) -> av.container.InputContainer:
    """Open a file, or a part of it."""
    name, protocols = str(path.absolute()), "file"
    if start or end is not None:
        name, protocols = f"subfile,,start,{start},end,{end or 0},,:{name}", "file,subfile"
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": protocols}
    # FFmpeg takes the first frame of large ones for a picture.
    kind = "mjpeg" if path.suffix.lower() in MOTION_JPEG else None
    try:
        return av.open(name, format=kind, options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} is no video, or is cut short ({first_words(error)}); is it whole?") from None


def stated_frames(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """How many frames a file says that it has; 0 if it does not say. IVF has a duration in that place."""
    return 0 if container.format.name == "ivf" else stream.frames


def first_words(error: Exception) -> str:
    """The part of a library's error that says what is wrong, in lower case."""
    return (getattr(error, "strerror", None) or str(error).splitlines()[0]).split(":")[0].strip().lower()


def _shown_stream(path: Path, container: av.container.InputContainer) -> tuple[av.VideoStream, str]:
    """Choose the video stream that a player would show, and say which one it is where there are several."""
    found = [stream for stream in container.streams.video if not stream.disposition & STILLS]
    if not found:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"{path} has no picture: it holds {kinds}; expected a video")
    most = max(map(_num_pixels, found))
    best = max(found, key=lambda stream: _rank(stream, most))
    if best.codec_context is None:
        raise VideoError(f"{path} has a picture of an unknown codec; is it whole?")
    if len(found) == 1:
        return best, ""
    is_default = bool(best.disposition & Disposition.default)
    why = "the default one" if is_default else "the largest one" if _num_pixels(best) == most else "the first one"
    why = "the one with several frames" if best is not found[0] and why == "the first one" else why
    chosen = f"number {found.index(best) + 1} ({best.width} x {best.height}, {why})"
    return best, f"it holds {len(found)} video streams; {chosen} was read"


def _num_pixels(stream: av.VideoStream) -> int:
    return 0 if stream.codec_context is None else stream.width * stream.height


def _rank(stream: av.VideoStream, most: int) -> tuple[bool, bool, bool, bool, bool, int, int]:
    """How likely a player shows a stream: FFmpeg's `av_find_best_stream` (the default one), but for covers that are not
    marked as such (a single frame), then as the program `ffmpeg` the one with the most pixels, then the one with the
    most bits. Of equals, `max` takes the first."""
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
