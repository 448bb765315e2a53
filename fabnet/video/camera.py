"""Streams the frames of a camera, a named network stream, or a file at its own pace, as they come."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import av

from fabnet.errors import InputError, VideoError
from fabnet.files.limits import MAX_PIXELS
from fabnet.video.container import MAX_SIDE_PX, first_words
from fabnet.video.decode import DecodedFrame, decode_frames
from fabnet.video.display import pixel_aspect

__all__ = ["Camera", "Captured", "camera_named", "captured"]

DEVICES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's format for cameras of each system."""
STREAMS = {
    "rtsp": "rtsp,rtp,udp,tcp", "rtsps": "rtsp,rtp,udp,tcp,tls,crypto", "rtmp": "rtmp,tcp", "udp": "udp", "tcp": "tcp",
    "http": "http,tcp", "https": "https,http,tcp,tls",
}  # fmt: skip
"""Schemes of network streams, each with the protocols that it may use: it cannot lead to files or other schemes."""
CONTAINERS = "rtsp,mpegts,mpjpeg,mjpeg,flv,live_flv,matroska,mov,h264,hevc,m4v,mpegvideo,rtp,sdp"
"""Formats of network streams; playlists are not among them, because they refer to other addresses."""
OPEN_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 10.0


class Camera(NamedTuple):
    """Where frames come from."""

    kind: str
    """device, stream or file."""
    place: str
    """What FFmpeg opens."""
    name: str
    """What it is called in messages and rows: without user name, password and query."""


class Captured(NamedTuple):
    """A frame, and when it came."""

    frame: DecodedFrame
    """The frame; its index counts those that were captured, and its time is in seconds since the first."""
    came_s: float
    """When it came, by the monotonic clock; of a file, when it was due."""


def camera_named(source: str, *, as_camera: bool = False, system: str = sys.platform) -> Camera:
    """What a source means.

    Args:
        source: the number of a camera from 0, its name or device file, the address of a stream (rtsp://, http:// ...),
            or with `as_camera` a video file.
        as_camera: play a file at its own pace.
        system: `sys.platform`.

    Raises:
        InputError: there is no such camera or file, or the scheme is unknown.
    """
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if as_camera:
        if scheme or not Path(source).exists():
            raise InputError(f"no such file: {_shown(source)}; --as-camera plays a video file at its own pace")
        return Camera("file", source, Path(source).name)
    if scheme:
        if scheme not in STREAMS:
            raise InputError(f"{_shown(source)} is not a stream that can be read; expected {', '.join(STREAMS)}")
        return Camera("stream", source, _shown(source))
    if Path(source).is_file():
        raise InputError(f"{source} is a file: read it with fabnet read, or add --as-camera to play it at its own pace")
    known = DEVICES.get(system)
    if known is None:
        raise InputError(f"cameras of this system ({system}) cannot be opened; give the address of a stream")
    return Camera("device", _device(source, system), source)


def _device(source: str, system: str) -> str:
    """A camera as FFmpeg names it."""
    if not re.fullmatch(r"\d{1,3}", source):
        return f"video={source}" if system == "win32" and not source.startswith("video=") else source
    if system == "linux":
        return f"/dev/video{source}"
    if system == "darwin":
        return source
    found = _named_cameras("dshow")
    if int(source) >= len(found):
        raise InputError(_no_camera(source, found))
    return f"video={found[int(source)]}"


def _named_cameras(kind: str) -> list[str]:
    """Names of the cameras of this machine, as far as FFmpeg can list them."""
    try:
        import av.device

        return [
            each.name for each in av.device.enumerate_input_devices(kind) if "video" in (each.media_types or ["video"])
        ]
    except (ImportError, av.FFmpegError, OSError, ValueError, RuntimeError, AttributeError):
        return []


def _no_camera(name: str, found: list[str]) -> str:
    if found:
        return f"there is no camera {name}; found {', '.join(found)}"
    return f"there is no camera {name}: connect one, or give the address of a stream, or a file with --as-camera"


def captured(camera: Camera) -> Iterator[Captured]:
    """The frames of a camera, as they come; blocks until the next.

    Args:
        camera: from `camera_named`.

    Raises:
        VideoError: it cannot be opened, has no picture, or ended with an error.
        InputError: there is no such camera.
    """
    return _of_file(camera) if camera.kind == "file" else _of_device(camera)


def _of_file(camera: Camera) -> Iterator[Captured]:
    began: float | None = None
    for frame in decode_frames(Path(camera.place)):
        began = time.monotonic() - frame.time_s if began is None else began  # the picture may begin after the sound
        due = began + frame.time_s
        time.sleep(max(0.0, due - time.monotonic()))
        yield Captured(frame, due)


def _of_device(camera: Camera) -> Iterator[Captured]:
    av.logging.set_level(av.logging.PANIC)
    with _opened(camera) as container:
        if not container.streams.video:
            raise VideoError(f"{camera.name} sends no picture")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        began, index = 0.0, 0
        aspect = pixel_aspect(stream)
        try:
            for picture in container.decode(stream):
                if not 0 < max(picture.width, picture.height) <= MAX_SIDE_PX:
                    raise VideoError(f"{camera.name} sends frames of {picture.width} x {picture.height} px")
                came = time.monotonic()
                began = came if index == 0 else began
                yield Captured(DecodedFrame(index, came - began, picture, aspect), came)
                index += 1
        except av.EOFError:
            return
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{camera.name} ended after {index:,} frames: {first_words(error)}") from None


def _opened(camera: Camera) -> av.container.InputContainer:
    timeout = (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
    try:
        if camera.kind == "device":
            return av.open(camera.place, format=DEVICES[sys.platform], timeout=timeout)
        scheme = urlsplit(camera.place).scheme.lower()
        options = {"protocol_whitelist": STREAMS[scheme], "format_whitelist": CONTAINERS, "fflags": "nobuffer"}
        if scheme.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        return av.open(camera.place, options=options, timeout=timeout)
    except (av.FFmpegError, OSError, ValueError) as error:
        if camera.kind == "stream":
            raise VideoError(f"{camera.name} cannot be opened: {first_words(error)}") from None
        if isinstance(error, FileNotFoundError | av.error.ProtocolNotFoundError | ValueError):
            raise InputError(_no_camera(camera.name, _named_cameras(DEVICES[sys.platform]))) from None
        raise VideoError(
            f"the camera {camera.name} cannot be opened: {first_words(error)}; does another program use it?"
        ) from None


def _shown(source: str) -> str:
    """An address without user name, password, query and fragment."""
    if "://" not in source:
        return source
    scheme, _, rest = source.partition("://")
    host, slash, path = re.split(r"[?#]", rest)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
