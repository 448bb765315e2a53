"""Small videos that would take hours or gigabytes to decode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fabnet.errors import InputError, VideoError
from fabnet.video.decode import read_frames


def of_frames(path: Path, count: int, fps: int, size: tuple[int, int] = (64, 48), **options: str) -> Path:
    """An MP4 that repeats one picture."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264" if options else "mpeg4", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = (*size, "yuv420p")
        stream.time_base = Fraction(1, fps)
        picture = av.VideoFrame(*size, "yuv420p")
        for plane in picture.planes:
            plane.update(np.full(plane.buffer_size, 128, np.uint8).tobytes())
        for number in range(count):
            picture.pts, picture.time_base = number, Fraction(1, fps)
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return path


def test_the_number_of_frames_is_bounded_by_the_stated_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = of_frames(tmp_path / "a.mp4", 2000, 2000)
    with pytest.raises(VideoError, match=r"more than 300 frames per second .* set FABNET_MAX_FPS"):
        next(read_frames(file, fps=1))
    monkeypatch.setenv("FABNET_MAX_FPS", "2000")
    assert 1 <= len(list(read_frames(file, fps=1))) <= 2
    for wrong in ("0", "many", "nan"):
        monkeypatch.setenv("FABNET_MAX_FPS", wrong)
        with pytest.raises(InputError, match="FABNET_MAX_FPS is"):
            next(read_frames(file))


def test_a_file_without_a_count_is_counted(tmp_path: Path) -> None:
    raw = tmp_path / "a.mkv"
    with av.open(str(of_frames(tmp_path / "a.mp4", 1500, 1000))) as given, av.open(str(raw), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    with pytest.raises(VideoError, match="more than 300 frames per second"):
        list(read_frames(raw, fps=1))


def test_slow_motion_is_read(tmp_path: Path) -> None:
    assert len(list(read_frames(of_frames(tmp_path / "a.mp4", 240, 240)))) == 240


def test_frames_that_refer_to_many_others_are_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "preset": "ultrafast",
        "crf": "51",
        "x264-params": "ref=16:bframes=0:scenecut=0:rc-lookahead=0:threads=1",
    }
    file = of_frames(tmp_path / "a.mp4", 16, 25, (4096, 4096), **options)
    assert file.stat().st_size < 300_000
    monkeypatch.setattr("fabnet.video.bounds.MAX_DECODER_BYTES", 2**27)
    with pytest.raises(VideoError, match="of memory to decode, which is the limit: frames of 4096 x 4096 px"):
        for _ in read_frames(file):
            pass
