"""Clocks of recordings that were joined, start with stale packets, pause, or have no time stamps."""

from __future__ import annotations

import csv
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fabnet.errors import VideoError
from fabnet.faces.detect.load import load_detector
from fabnet.ingest.track import track
from fabnet.reading.embed import embed
from fabnet.video.clock import Clock
from fabnet.video.decode import Frame, decode_frames, read_frames, video_info
from fabnet.video.track_video import VideoStats, track_video

from .composed import FPS, write_video

CODECS = {
    ".webm": "libvpx",
    ".wmv": "wmv2",
    ".mpg": "mpeg2video",
    ".m2v": "mpeg2video",
    ".avi": "mpeg4",
    ".ogv": "libtheora",
}


def grey(count: int, first: int = 0) -> list[np.ndarray]:
    """Frames whose brightness encodes their index."""
    return [np.full((64, 96, 3), 2 * (first + number), np.uint8) for number in range(count)]


def written(path: Path, frames: list[np.ndarray], start_s: float = 0.0) -> bytes:
    times_s = [start_s + number / FPS for number in range(len(frames))]
    codec = CODECS.get(path.suffix, "libx264")
    return write_video(path, frames, times_s=times_s, key_every=10, codec=codec).read_bytes()


def joined(folder: Path, ending: str, *starts_s: float) -> Path:
    """Two recordings in one file, 30 and 20 frames."""
    parts = [written(folder / f"{place}{ending}", grey(25, 25 * place), at) for place, at in enumerate(starts_s)]
    path = folder / f"joined{ending}"
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("ending", [".ts", ".mkv", ".webm", ".mpg", ".flv", ".mp4", ".mov", ".h264", ".m2v"])
def test_time_continues_after_a_clock_restarts(tmp_path: Path, ending: str) -> None:
    path = joined(tmp_path, ending, 0.0, 0.0)
    frames = list(read_frames(path))
    assert len(frames) == 50
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(50) / FPS, atol=2e-3)
    assert all(abs(float(frame.image.mean()) - 2 * frame.index) <= 4 for frame in frames)
    assert [frame.index for frame in read_frames(path, fps=5)] == list(range(0, 50, 5))


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".wmv", ".ts", ".avi", ".flv", ".mp4"])
def test_three_recordings_are_read_once_each(tmp_path: Path, ending: str) -> None:
    frames = list(read_frames(joined(tmp_path, ending, 0.0, 0.0, 0.0)))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(75) / FPS, atol=2e-3)
    assert all(abs(float(frame.image.mean()) - 2 * frame.index) <= 4 for frame in frames)


def test_fragments_of_a_joined_recording_are_read_once(tmp_path: Path) -> None:
    for place in range(2):
        written(tmp_path / f"{place}.mp4", grey(25, 25 * place))
        with (
            av.open(str(tmp_path / f"{place}.mp4")) as whole,
            av.open(str(tmp_path / f"f{place}.mp4"), "w", options={"movflags": "frag_keyframe+empty_moov"}) as parts,
        ):
            stream = parts.add_stream_from_template(whole.streams.video[0])
            for packet in whole.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    parts.mux(packet)
    (tmp_path / "joined.mp4").write_bytes(b"".join((tmp_path / f"f{place}.mp4").read_bytes() for place in range(2)))
    frames = list(read_frames(tmp_path / "joined.mp4"))
    assert [round(float(frame.image.mean()) / 2) for frame in frames] == pytest.approx(range(50), abs=2)


def test_a_truncated_joined_recording_is_reported(tmp_path: Path) -> None:
    parts = [written(tmp_path / f"{place}.mkv", grey(25, 25 * place)) for place in range(2)]
    (tmp_path / "joined.mkv").write_bytes(parts[0] + parts[1][: len(parts[1]) * 3 // 4])
    with pytest.raises(VideoError, match="truncated or corrupt"):
        list(read_frames(tmp_path / "joined.mkv"))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg, which writes Theora")
def test_joined_ogg_files_are_intact(tmp_path: Path) -> None:
    clip = ["-f", "lavfi", "-i", "testsrc=s=96x64:r=25:d=1", "-c:v", "libtheora"]
    subprocess.run(["ffmpeg", "-v", "error", *clip, str(tmp_path / "a.ogv")], check=True)
    (tmp_path / "joined.ogv").write_bytes(2 * (tmp_path / "a.ogv").read_bytes())
    assert len(list(read_frames(tmp_path / "joined.ogv"))) == 50


def test_three_files_and_frames_of_other_sizes(tmp_path: Path) -> None:
    parts = []
    for place, size in enumerate([(64, 96), (96, 64), (48, 64)]):
        images = [np.full((*size, 3), 90, np.uint8)] * 10
        parts.append(write_video(tmp_path / f"{place}.mp4", images, faststart=place == 1).read_bytes())
    (tmp_path / "joined.mp4").write_bytes(b"".join(parts))
    frames = list(read_frames(tmp_path / "joined.mp4"))
    assert [frame.image.shape[:2] for frame in frames] == [(64, 96)] * 10 + [(96, 64)] * 10 + [(48, 64)] * 10
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(30) / FPS, atol=1e-3)


def test_a_second_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.flv", grey(20))
    (tmp_path / "b.flv").write_bytes(whole + whole[:60])
    seen: list[Frame] = []
    with pytest.raises(VideoError, match=rf"a second video begins at byte {len(whole):,}"):
        seen.extend(read_frames(tmp_path / "b.flv"))
    assert len(seen) == 20


@pytest.mark.parametrize("ending", [".ts", ".mpg"])
@pytest.mark.parametrize("starts_s", [(1000.0, 404.0), (404.0, 1000.0), (95_443.0, 30.0), (95_443.0, 95_442.52)])
def test_stale_packets_at_the_start_are_bridged(tmp_path: Path, ending: str, starts_s: tuple[float, float]) -> None:
    # One recording stays below the time stamps' 33 bits (95,443.7 s), the other wraps around.
    frames = list(read_frames(joined(tmp_path, ending, *starts_s)))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(50) / FPS, atol=2e-3)


def test_time_stamps_that_wrap_around(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    written(path, grey(60), 2**33 / 90_000 - 1.0)
    np.testing.assert_allclose([frame.time_s for frame in read_frames(path)], np.arange(60) / FPS, atol=2e-3)


@pytest.mark.parametrize(("ending", "is_kept"), [(".mkv", True), (".mp4", True), (".flv", True), (".ts", False)])
def test_a_pause_is_kept_where_clocks_do_not_jump(tmp_path: Path, ending: str, is_kept: bool) -> None:
    times_s = np.arange(30) / FPS + np.where(np.arange(30) < 10, 0, 60.0)
    path = write_video(tmp_path / f"a{ending}", grey(30), times_s=list(times_s))
    notes: list[str] = []
    found = [frame.time_s for frame in decode_frames(path, notes=notes)]
    np.testing.assert_allclose(found, times_s if is_kept else np.arange(30) / FPS, atol=2e-3)
    if ending != ".mp4":  # in which frames have durations
        assert len(notes) == 1
        assert ("no new picture for 60.0 s" if is_kept else "clock jumps") in notes[0]


@pytest.mark.parametrize(("rate", "codec"), [(30, "libx264"), (50, "libx264"), (30, "mpeg2video"), (30, "mpeg4")])
def test_raw_streams_are_timed_by_their_own_rate(tmp_path: Path, rate: int, codec: str) -> None:
    ending = {"libx264": ".h264", "mpeg2video": ".m2v", "mpeg4": ".m4v"}[codec]
    path = write_video(tmp_path / f"a{ending}", grey(40), fps=rate, codec=codec)
    np.testing.assert_allclose([frame.time_s for frame in read_frames(path)], np.arange(40) / rate, atol=1e-3)
    assert video_info(path).fps == pytest.approx(rate)


def test_raw_hevc_is_timed_by_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.hevc"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=30, options={"preset": "ultrafast", "x265-params": "log-level=0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for image in grey(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    np.testing.assert_allclose([frame.time_s for frame in read_frames(path)], np.arange(12) / 30, atol=1e-3)


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
        ([-5, -4, -3, -2, -1, 0], [0, 1, 2, 3, 4, 5]),
        ([7, 7, 7, 7, 7, 7], [0, 1, 2, 3, 4, 5]),  # a clock that stops
        ([0, 7, 7, 7, 7, 8, 9], [0, 7, 8, 9, 10, 10, 10]),  # and continues soon
        ([0, 7, 7, 7, 7, 7, 7, 8, 9], [0, 7, 8, 9, 10, 11, 12, 13, 14]),  # or late
        ([None, None, None, None], [0, 1, 2, 3]),
        ([None, None, 40, 41, None, 43], [0, 1, 2, 3, 4, 5]),
        ([0, 2, 1, 3, 4], [0, 2, 2, 3, 4]),  # jitter
        ([50, 51, 52, 0, 1, 2], [0, 1, 2, 3, 4, 5]),  # a restart
        ([0, 1, 90_000, 2, 3, 4], [0, 1, 90_000, 90_001, 90_002, 90_003]),
    ],
)
def test_time_stamps_become_one_time_axis(tmp_path: Path, stamps: list[int | None], times: list[int]) -> None:
    path = write_video(tmp_path / "a.mkv", grey(3))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        clock = Clock(container, stream)
        assert stream.time_base == Fraction(1, 1000)
        found = []
        for stamp in stamps:
            picture = av.VideoFrame(16, 16, "yuv420p")
            picture.pts, picture.duration = None if stamp is None else 40 * stamp, 40
            found.append(clock.time_of(picture))
    np.testing.assert_allclose(found, 0.04 * np.array(times), atol=1e-9)


def test_embed_keeps_a_row_for_every_frame(tmp_path: Path) -> None:
    path = joined(tmp_path, ".ts", 0.0, 0.0)
    result = embed([path], tmp_path / "out.csv", crop="none", fps=None)
    assert (result.rows, result.failed) == (50, [])
    with (tmp_path / "out.csv").open(newline="") as file:
        times_s = [float(row["time_s"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(times_s, np.arange(50) / FPS, atol=2e-3)


def test_tracks_continue_after_a_restart(smiling: Path, tmp_path: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling)][:40]
    content = write_video(tmp_path / "a.ts", frames).read_bytes()
    (tmp_path / "joined.ts").write_bytes(content * 2)
    stats = VideoStats()
    faces = list(track_video(tmp_path / "joined.ts", load_detector(), fps=5.0, stats=stats))
    assert sorted({face.frame for face in faces}) == list(range(0, 80, 5))
    assert stats.duration_s == pytest.approx(79 / FPS, abs=2e-3)
    assert stats.warning is None
    report = track([tmp_path / "joined.ts"], tmp_path / "store", num_workers=0)
    assert report.partial == ()
    assert any("joined.ts: its clock jumps" in note for note in report.notes)


def with_sound(path: Path, picture_s: float) -> Path:
    """25 frames that begin after the sound, which lasts as long as they do."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS.get(path.suffix, "libx264"), rate=FPS)
        sound = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48_000)
        assert isinstance(stream, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sound.layout = "mono"
        packets = []
        for number, image in enumerate(grey(25)):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = round(picture_s * FPS) + number, Fraction(1, FPS)
            packets += stream.encode(picture)
        packets += stream.encode()
        kind = "flt" if path.suffix == ".webm" else "fltp"
        silence = np.zeros((1, round((picture_s + 1) * 48_000)), np.float32)
        tone = av.AudioFrame.from_ndarray(silence, format=kind, layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = 48_000, 0, Fraction(1, 48_000)
        packets += [*sound.encode(tone), *sound.encode()]
        for packet in sorted(packets, key=lambda each: float((each.dts or 0) * each.time_base)):
            container.mux(packet)
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".ts", ".mov"])
def test_times_count_from_the_sound_if_the_picture_begins_later(tmp_path: Path, ending: str) -> None:
    notes: list[str] = []
    frames = list(decode_frames(with_sound(tmp_path / f"call{ending}", 4.0), notes=notes))
    np.testing.assert_allclose([frame.time_s for frame in frames], 4 + np.arange(25) / FPS, atol=0.05)
    assert notes == ["its picture begins 4.0 s after its sound; times count from the sound's start"]
    assert [frame.index for frame in read_frames(tmp_path / f"call{ending}", fps=5)] == [0, 5, 10, 15, 20]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".ts"])
def test_an_encoders_delay_of_the_picture_does_not_count(tmp_path: Path, ending: str) -> None:
    notes: list[str] = []
    frames = list(decode_frames(with_sound(tmp_path / f"clip{ending}", 0.04), notes=notes))
    assert (frames[0].time_s, notes) == (0.0, [])
