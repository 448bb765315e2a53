"""Which files are intact and which are not: dropped frames, recordings cut from running streams, and lost frames."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fabnet.errors import VideoError
from fabnet.ingest.track import track
from fabnet.store.track_store import open_store
from fabnet.video.decode import Frame, decode_frames, read_frames, video_info

from .composed import FPS, write_video


def noise(count: int) -> list[np.ndarray]:
    """Frames of a few kilobytes each."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(count)]


def without_chunks(path: Path, is_dropped: Callable[[int], bool], *, has_index: bool = True) -> Path:
    """An AVI without the pictures of some frames, as capture programs write it when they drop frames."""
    content = path.read_bytes()
    start, end = content.index(b"movi") + 4, content.index(b"idx1")
    chunks, index, number, place = bytearray(), bytearray(), 0, start
    while place < end:
        name, size = struct.unpack_from("<4sI", content, place)
        body = content[place + 8 : place + 8 + size]
        if name == b"00dc":
            body = b"" if is_dropped(number) else body
            number += 1
        index += struct.pack("<4sIII", name, 16 if body else 0, len(chunks) + 4, len(body))
        chunks += struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2)
        place += 8 + size + size % 2
    head = bytearray(content[:start])
    struct.pack_into("<I", head, start - 8, len(chunks) + 4)
    made = head + chunks + (struct.pack("<4sI", b"idx1", len(index)) + index if has_index else b"")
    struct.pack_into("<I", made, 4, len(made) - 8)
    place_of = path.with_name("dropped.avi")
    place_of.write_bytes(made)
    return place_of


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize(
    "dropped", [{3, 10, 17}, {0, 1, 2}, {35, 36, 37, 38, 39}, set(range(40)) - set(range(0, 40, 10))]
)
def test_dropped_frames_are_not_reported_as_lost(
    tmp_path: Path, codec: str, has_index: bool, dropped: set[int]
) -> None:
    path = write_video(tmp_path / "a.avi", noise(40), codec=codec, key_every=1)
    path = without_chunks(path, lambda number: number in dropped, has_index=has_index)
    kept = [number for number in range(40) if number not in dropped]
    times_s = [frame.time_s for frame in read_frames(path)]
    np.testing.assert_allclose(times_s, (np.array(kept) - kept[0]) / FPS, atol=1e-3)
    assert video_info(path).width == 96


def test_a_video_with_a_dropped_frame_is_tracked_without_a_warning(smiling: Path, tmp_path: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling)][:50]
    write_video(tmp_path / "a.avi", frames, codec="mjpeg")
    path = without_chunks(tmp_path / "a.avi", lambda number: number % 7 == 3)
    report = track([path], tmp_path / "store", num_workers=0)
    assert report.partial == ()
    assert open_store(tmp_path / "store").ledger()["dropped.avi"].status == "ok"


def remuxed(path: Path, target: Path, keep: Callable[[int], bool]) -> Path:
    """The same file without some of its packets."""
    with av.open(str(path)) as source, av.open(str(target), "w") as made:
        stream = made.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None and keep(number):
                packet.stream = stream
                made.mux(packet)
    return target


@pytest.mark.parametrize(("codec", "ending"), [("libvpx", ".webm"), ("libvpx-vp9", ".webm"), ("mpeg2video", ".ts")])
def test_a_recording_may_start_between_key_frames(tmp_path: Path, codec: str, ending: str) -> None:
    whole = write_video(tmp_path / f"whole{ending}", noise(40), codec=codec, key_every=10)
    path = remuxed(whole, tmp_path / f"cut{ending}", lambda number: number >= 5)
    frames = list(read_frames(path))
    assert 30 <= len(frames) <= 35
    assert video_info(path).width == 96


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_transport_stream_may_start_anywhere(tmp_path: Path, share: float) -> None:
    content = write_video(tmp_path / "a.ts", noise(60), key_every=10).read_bytes()
    packets = len(content) // 188
    (tmp_path / "b.ts").write_bytes(content[: 3 * 188] + content[round(packets * share) * 188 :])
    assert 60 * (1 - share) - 11 <= len(list(read_frames(tmp_path / "b.ts"))) <= 60 * (1 - share) + 1


@pytest.mark.parametrize("ending", [".ts", ".mkv", ".flv", ".mp4", ".avi", ".mpg"])
def test_bytes_after_the_end_are_ignored(tmp_path: Path, ending: str) -> None:
    codec = {".avi": "mjpeg", ".mpg": "mpeg2video"}.get(ending, "libx264")
    path = write_video(tmp_path / f"a{ending}", noise(20), codec=codec)
    path.write_bytes(path.read_bytes() + bytes(range(256)) * 20)
    assert len(list(read_frames(path))) == 20


def test_reordered_frames_come_out_of_the_decoder_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3", "preset": "fast", "b-adapt": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for number, image in enumerate(noise(23)):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    np.testing.assert_allclose([frame.time_s for frame in read_frames(path)], np.arange(23) / 25, atol=1e-3)


def lost(path: Path) -> tuple[int, int]:
    """Number of frames decoded, and number reported as lost."""
    counted: list[int] = []
    with pytest.raises(VideoError, match="corrupt") as caught:
        counted.extend(frame.index for frame in decode_frames(path))
    count = len(counted)
    said = re.search(r"(\d+) frames could be decoded.*; (?:about )?(\d+) were lost", str(caught.value))
    assert said, str(caught.value)
    assert int(said[1]) == count
    return count, int(said[2])


@pytest.mark.parametrize(("ending", "codec"), [(".mkv", "libx264"), (".webm", "libvpx"), (".avi", "mjpeg")])
def test_a_truncated_file_reports_the_number_of_lost_frames(tmp_path: Path, ending: str, codec: str) -> None:
    path = write_video(tmp_path / f"a{ending}", noise(50), codec=codec, key_every=10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    count, num_lost = lost(path)
    assert 20 < count < 45
    assert abs(count + num_lost - 50) <= 1


@pytest.mark.parametrize("cut_bytes", [400, 5_000, 20_000])
def test_a_truncated_mp4_reports_every_lost_frame(tmp_path: Path, cut_bytes: int) -> None:
    content = write_video(tmp_path / "a.mp4", noise(200), faststart=True, crf=40).read_bytes()
    (tmp_path / "b.mp4").write_bytes(content[:-cut_bytes])
    count, num_lost = lost(tmp_path / "b.mp4")
    assert count + num_lost == 200


def test_pictures_with_errors_are_counted(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "a.mp4", noise(30), faststart=True).read_bytes())
    middle = len(content) * 6 // 10
    content[middle : middle + 1000] = bytes(1000)
    (tmp_path / "b.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"of them with errors|were lost"):
        list(read_frames(tmp_path / "b.mp4"))


def test_packets_that_a_transport_stream_lost_are_counted(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.ts", noise(60), key_every=10).read_bytes()
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    starts = [number for number, each in enumerate(packets) if each[1] & 0x40 and (each[1] & 0x1F, each[2]) == (1, 0)]
    path = tmp_path / "gap.ts"
    path.write_bytes(b"".join(packets[: starts[20]] + packets[starts[30] + 1 :]))  # from key frame to key frame
    with pytest.raises(VideoError, match=r"packets are missing.* 1\d were lost"):
        list(read_frames(path))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(data + data)
    assert len(list(read_frames(joined))) == 120


@pytest.mark.parametrize(("ending", "codec"), [(".webm", "libvpx"), (".mkv", "libx264")])
def test_a_partial_download_of_full_length_is_reported(tmp_path: Path, ending: str, codec: str) -> None:
    path = write_video(tmp_path / f"a{ending}", noise(60), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    frames: list[Frame] = []
    with pytest.raises(VideoError, match=r"about \d+ were lost"):
        frames.extend(read_frames(path))
    assert 20 < len(frames) < 40


def test_a_truncated_ivf_is_reported(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ivf", noise(60), codec="libvpx")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match="truncated or corrupt"):
        list(read_frames(path))
