"""Videos whose frames change size, as recordings of calls do when the network gets worse or better."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from fabnet.faces.detect.load import load_detector
from fabnet.reading.read import read_all
from fabnet.video.decode import read_frames
from fabnet.video.sizes import Sizes
from fabnet.video.track_video import VideoStats, track_video

SIZES = ((192, 192), (168, 168))
NOTE = (
    "its frames change size (1 x: 192 x 192 px, 168 x 168 px from frame 6); boxes and points are in pixels of their "
    "own frame, and tracks end at each change"
)


def of_two_sizes(path: Path, smiling: Path) -> Path:
    """One shot of one man, 6 frames of each size."""
    images = [frame.image for frame in read_frames(smiling, fps=25)][:12]
    parts = []
    for part, size in enumerate(SIZES):
        own = path.with_name(f"{part}.webm")
        with av.open(str(own), "w") as container:
            stream = container.add_stream("libvpx", rate=25, options={"b": "1000000"})
            assert isinstance(stream, av.VideoStream)
            (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
            for number in range(6 * part, 6 * part + 6):
                picture = av.VideoFrame.from_ndarray(
                    cv2.resize(images[number], size, interpolation=cv2.INTER_AREA), format="rgb24"
                )
                picture.pts, picture.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        parts.append(own)
    with av.open(str(path), "w") as joined:
        copied: av.VideoStream | None = None
        for own in parts:
            with av.open(str(own)) as container:
                copied = copied or joined.add_stream_from_template(container.streams.video[0])
                for packet in container.demux(video=0):
                    if packet.dts is not None:
                        packet.stream = copied
                        joined.mux(packet)
    return path


def test_a_change_of_size_ends_the_track_and_is_said(tmp_path: Path, smiling: Path) -> None:
    path, stats = of_two_sizes(tmp_path / "call.webm", smiling), VideoStats()
    faces = list(track_video(path, load_detector(), fps=None, stats=stats))
    assert {(face.track, face.frame >= 6) for face in faces} == {(0, False), (1, True)}
    assert stats.notes == [NOTE]
    for track in range(2):  # smoothing across the change moved crops by 6 % of their side
        boxes, crops = (
            np.mean([getattr(face, name) for face in faces if face.track == track], axis=0)
            for name in ("box_px", "crop_box_px")
        )
        side = crops[2] - crops[0]
        shift = ((crops[:2] + crops[2:]) - (boxes[:2] + boxes[2:])) / 2 / side
        np.testing.assert_allclose(shift, [0, 0.08], atol=0.015)


def test_read_says_it_and_ends_the_track(tmp_path: Path, smiling: Path) -> None:
    table, result = read_all(of_two_sizes(tmp_path / "call.webm", smiling), fps=8)
    assert result.notes == [f"call.webm: {NOTE}"]
    tracks = dict(zip(table.column("frame").to_pylist(), table.column("track").to_pylist(), strict=True))
    assert tracks == {0: "0", 4: "0", 7: "1", 10: "1"}


def test_few_changes_are_listed() -> None:
    sizes = Sizes()
    for index in range(12):
        sizes.add(index, (640, 480) if index // 2 % 2 else (320, 240))
    (note,) = sizes.notes()
    assert "(5 x: 320 x 240 px, 640 x 480 px from frame 2, " in note
    assert "640 x 480 px from frame 6 ...)" in note
    steady = Sizes()
    assert steady.notes() == []
    steady.add(0, (320, 240))
    assert steady.notes() == []
