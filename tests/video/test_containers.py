"""Every video suffix can be opened, and the content alone identifies a video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from fabnet.files.kinds import VIDEO_SUFFIXES, kind_by_content
from fabnet.video.decode import read_frames

from .composed import write_video

MADE = {
    ".m2ts": ("mpegts", "mpeg2video"), ".ts": ("mpegts", "mpeg2video"), ".mxf": ("mxf", "mpeg2video"),
    ".vob": ("vob", "mpeg2video"), ".m2v": ("mpeg2video", "mpeg2video"), ".asf": ("asf", "mpeg4"),
    ".wmv": ("asf", "wmv2"), ".rm": ("rm", "rv10"), ".divx": ("avi", "mpeg4"), ".webm": ("webm", "libvpx"),
    ".mkv": ("matroska", "mpeg4"), ".3g2": ("3g2", "mpeg4"), ".3gp": ("3gp", "mpeg4"), ".qt": ("mov", "mpeg4"),
    ".mp4": ("mp4", "mpeg4"), ".flv": ("flv", "flv1"), ".y4m": ("yuv4mpegpipe", "wrapped_avframe"),
    ".gif": ("gif", "gif"), ".ivf": ("ivf", "libvpx"), ".h264": ("h264", "libx264"), ".hevc": ("hevc", "libx265"),
    ".mjpg": ("mjpeg", "mjpeg"), ".dv": ("dv", "dvvideo"), ".ogv": ("ogv", "libvpx"),
}  # fmt: skip
WITHOUT_A_MARK = (".h264", ".hevc", ".dv")
"""Suffixes of raw streams, which their content does not identify."""


@pytest.mark.parametrize("suffix", MADE)
def test_a_video_of_this_suffix_opens(suffix: str, smiling: Path, tmp_path: Path) -> None:
    container, codec = MADE[suffix]
    path = tmp_path / f"a{suffix}"
    formats = {"gif": "rgb8", "mjpeg": "yuvj420p"}
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    try:
        with av.open(str(path), "w", format=container) as out:
            stream = out.add_stream(codec, rate=25, options=options)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = (720, 576) if codec == "dvvideo" else (176, 144)
            stream.pix_fmt = formats.get(codec, "yuv420p")
            for frame in list(read_frames(smiling))[:3]:
                image = av.VideoFrame.from_ndarray(frame.image)
                out.mux(stream.encode(image.reformat(width=stream.width, height=stream.height, format=stream.pix_fmt)))
            out.mux(stream.encode())
    except (av.FFmpegError, av.codec.codec.UnknownCodecError, ValueError) as error:
        pytest.skip(f"this FFmpeg does not write it: {error}")
    assert suffix in VIDEO_SUFFIXES
    frames = list(read_frames(path))
    assert len(frames) == 3
    assert frames[0].image.std() > 20
    name = f"a{suffix}" if suffix == ".mjpg" else "a"
    assert kind_by_content(name, path.read_bytes()[:1024]) == (None if suffix in WITHOUT_A_MARK else "video")


@pytest.mark.parametrize("suffix", [".mjpg", ".mjpeg"])
def test_motion_jpeg_of_large_frames_is_a_video(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    path = write_video(tmp_path / f"a{suffix}", [noise] * 5, codec="mjpeg")
    assert len(list(read_frames(path))) == 5


def test_an_ivf_file_states_a_duration_and_no_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ivf", [np.full((64, 96, 3), 90, np.uint8)] * 10, codec="libvpx")
    data = bytearray(path.read_bytes())
    data[24:28] = (400).to_bytes(4, "little")  # as FFmpeg 5 writes it, in clock ticks
    data[16:24] = (1000).to_bytes(4, "little") + (1).to_bytes(4, "little")
    place = 32
    for number in range(10):
        data[place + 4 : place + 12] = (40 * number).to_bytes(8, "little")
        place += 12 + int.from_bytes(data[place : place + 4], "little")
    path.write_bytes(data)
    assert [round(frame.time_s, 2) for frame in read_frames(path)] == [round(number / 25, 2) for number in range(10)]
