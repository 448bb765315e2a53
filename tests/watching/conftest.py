"""A long video to play as a camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

RATE = 15
TIMES = 300


@pytest.fixture(scope="session")
def long(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip again and again for twenty minutes, fifteen frames a second, 192 x 192.

    No test takes as long, however busy the machine, so the camera never ends before the test.
    """
    import av

    from fabnet.video.decode import read_frames

    path = tmp_path_factory.mktemp("long") / "long.ts"
    images = [frame.image for frame in read_frames(smiling, fps=RATE)]
    with av.open(str(path), "w", format="mpegts") as file:
        stream = file.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 192, 192, "yuv420p", 300_000
        encoded = [packet for image in images for packet in stream.encode(av.VideoFrame.from_ndarray(image))]
        encoded += stream.encode()
        for number in range(len(encoded) * TIMES):
            packet = encoded[number % len(encoded)]
            copy = av.Packet(bytes(packet))
            copy.stream, copy.time_base, copy.is_keyframe = stream, Fraction(1, RATE), packet.is_keyframe
            copy.pts = copy.dts = number
            file.mux(copy)
    return path
