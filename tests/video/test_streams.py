"""Files with several video streams: the one that a player shows is read, and a note says which."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from fabnet.errors import VideoError
from fabnet.ingest.track import track
from fabnet.reading.embed import embed
from fabnet.reading.read import read_all
from fabnet.store.track_store import open_store
from fabnet.video.decode import decode_frames, read_frames, video_info

Spec = tuple[int, int, Disposition]
"""Height, grey level and disposition of a stream."""
NONE, DEFAULT = Disposition(0), Disposition.default


def several(path: Path, streams: Sequence[Spec], images: Sequence[np.ndarray] | None = None, count: int = 10) -> Path:
    """Write a file with several streams; `images` are the last one's frames."""
    with av.open(str(path), "w") as container:
        made = []
        for height, _, disposition in streams:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "0"})
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width = (height, 2 * height) if images is None else images[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for number in range(count if images is None else len(images)):
            for place, (stream, (_, level, _)) in enumerate(zip(made, streams, strict=True)):
                image = np.full((stream.height, stream.width, 3), level, np.uint8)
                if images is not None and place == len(streams) - 1:
                    image = images[number]
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(picture))
        for stream in made:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".mov", ".ts"])
@pytest.mark.parametrize(
    ("streams", "chosen"),
    [
        ([(32, 20, NONE), (144, 200, NONE)], 1),  # a preview first
        ([(144, 200, NONE), (32, 20, NONE)], 0),
        ([(32, 20, NONE), (144, 200, DEFAULT)], 1),
        ([(32, 20, DEFAULT), (144, 200, DEFAULT)], 1),
        ([(32, 20, NONE), (48, 90, NONE), (144, 200, NONE)], 2),
    ],
)
def test_the_main_stream_is_read(tmp_path: Path, ending: str, streams: Sequence[Spec], chosen: int) -> None:
    path = several(tmp_path / f"a{ending}", streams)
    notes: list[str] = []
    assert len(list(decode_frames(path, notes=notes))) == 10
    frame = next(read_frames(path))
    height, level, _ = streams[chosen]
    assert frame.image.shape == (height, 2 * height, 3)
    assert abs(float(frame.image.mean()) - level) < 4
    assert video_info(path).height == height
    assert len(notes) == 1
    assert f"it contains {len(streams)} video streams; number {chosen + 1} ({2 * height} x {height}" in notes[0]


def test_the_default_stream_is_preferred_to_a_larger_one(tmp_path: Path) -> None:
    path = several(tmp_path / "a.mkv", [(96, 20, NONE), (64, 200, DEFAULT)])
    assert next(read_frames(path)).image.shape == (64, 128, 3)
    path = several(tmp_path / "b.mkv", [(64, 20, NONE), (64, 200, DEFAULT)])  # a black stream of the same size
    assert abs(float(next(read_frames(path)).image.mean()) - 200) < 4


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_an_unmarked_cover_is_skipped(tmp_path: Path, ending: str) -> None:
    path = several(tmp_path / f"two{ending}", [(192, 20, DEFAULT), (96, 200, NONE)])
    with av.open(str(path)) as both, av.open(str(tmp_path / f"a{ending}"), "w") as out:
        made = [out.add_stream_from_template(stream) for stream in both.streams.video]
        made[0].disposition, made[1].disposition = DEFAULT, NONE
        for number, packet in enumerate(both.demux()):
            if packet.dts is not None and (packet.stream.index or not number):
                packet.stream = made[packet.stream.index]
                out.mux(packet)
    notes: list[str] = []
    assert len(list(decode_frames(tmp_path / f"a{ending}", notes=notes))) == 10
    assert "number 2 (192 x 96, the one with several frames) was read" in notes[0]


def test_a_single_stream_gives_no_note(tmp_path: Path) -> None:
    notes: list[str] = []
    assert len(list(decode_frames(several(tmp_path / "a.mkv", [(64, 90, NONE)]), notes=notes))) == 10
    assert notes == []


def test_the_ledger_says_which_stream(smiling: Path, tmp_path: Path) -> None:
    images = [frame.image for frame in read_frames(smiling, fps=5)][:5]
    path = several(tmp_path / "two.mkv", [(144, 0, NONE), (144, 0, DEFAULT)], images)
    report = track([path], tmp_path / "store", num_workers=0)
    assert (report.partial, report.failed, report.no_face) == ((), (), ())
    entry = open_store(tmp_path / "store").ledger()["two.mkv"]
    assert entry.status == "ok"
    assert "2 video streams; number 2 (192 x 192, the default one) was read" in entry.reason
    assert any(note.startswith("two.mkv: it contains 2 video streams") for note in report.notes)


def test_read_and_embed_say_which_stream(smiling: Path, tmp_path: Path) -> None:
    images = [frame.image for frame in read_frames(smiling, fps=5)][:5]
    path = several(tmp_path / "two.mkv", [(144, 0, NONE), (144, 0, DEFAULT)], images)
    said = "two.mkv: it contains 2 video streams; number 2 (192 x 192, the default one) was read"
    assert read_all(path)[1].notes == [said]
    assert said in embed(path, tmp_path / "two.csv").notes


def test_a_file_with_only_covers_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4v"
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=25)
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=16_000)
        assert isinstance(sound, av.AudioStream)
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode())
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = 16_000, 0, Fraction(1, 16_000)
        container.mux(sound.encode(tone))
        container.mux(sound.encode())
    with pytest.raises(VideoError, match="has no picture"):
        next(read_frames(path))
