"""A long video to play as a camera."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def minute(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip fifteen times, one minute, fifteen frames a second, 192 x 192."""
    import av

    from fabnet.video.decode import read_frames

    path = tmp_path_factory.mktemp("long") / "minute.ts"
    images = [frame.image for frame in read_frames(smiling, fps=15.0)]
    with av.open(str(path), "w", format="mpegts") as file:
        stream = file.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 192, 192, "yuv420p", 2_000_000
        for image in images * 15:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        file.mux(stream.encode())
    return path
