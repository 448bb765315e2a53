"""Decoding: times, ticks, display, and files that are not videos."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fabnet.errors import InputError, VideoError
from fabnet.faces.crop import shrunk_square
from fabnet.reading.embed import embed
from fabnet.video.decode import Ticks, decode_frames, read_frames, video_info

from .composed import trimmed, turned, write_video


def grey_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames whose brightness encodes their index."""
    return [np.full((height, width, 3), 2 * number, np.uint8) for number in range(count)]


def test_every_frame_with_its_number_and_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_frames(50), crf=0)
    frames = list(read_frames(path))
    assert [frame.index for frame in frames] == list(range(50))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(50) / 25, atol=1e-3)
    assert all(abs(float(frame.image.mean()) - 2 * frame.index) <= 2 for frame in frames)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8


def test_fps_keeps_the_first_frame_at_or_after_each_tick(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_frames(60))
    assert [frame.index for frame in read_frames(path, fps=1)] == [0, 25, 50]
    assert [frame.index for frame in read_frames(path, fps=10)][:6] == [0, 3, 5, 8, 10, 13]
    assert len(list(read_frames(path, fps=1000))) == 60


def test_variable_frame_rate_goes_by_time_stamps(tmp_path: Path) -> None:
    times_s = [0, 0.1, 0.2, 0.3, 1.7, 1.8, 1.9, 2.0, 2.01, 2.02, 5.5]
    path = write_video(tmp_path / "vfr.mp4", grey_frames(len(times_s)), times_s=times_s)
    np.testing.assert_allclose([frame.time_s for frame in read_frames(path)], times_s, atol=1e-3)
    # Ticks at 0, 1, 2, 3, 4, 5 s: the frame at 1.7 s is kept for the tick at 1 s, and no frame twice.
    assert [frame.index for frame in read_frames(path, fps=1)] == [0, 4, 7, 10]


def test_ticks_do_not_drift_with_rounded_time_stamps() -> None:
    ticks = Ticks(5.0)
    times_s = np.round(np.arange(3000) / 25, 3) - 4e-4
    assert [n for n, time_s in enumerate(times_s) if ticks.meets(max(time_s, 0.0))] == list(range(0, 3000, 5))


@pytest.mark.parametrize("fps", [0.0, -1.0, math.inf, math.nan])
def test_impossible_frame_rates_are_refused(tmp_path: Path, fps: float) -> None:
    path = write_video(tmp_path / "a.mp4", grey_frames(3))
    with pytest.raises(InputError, match=f"fps is {fps}: give a positive number of frames per second"):
        list(read_frames(path, fps=fps))
    with pytest.raises(InputError, match=rf"fps .*{fps}"):
        embed([path], tmp_path / "out.csv", model="small", crop="none", fps=fps)


def test_on_decoded_is_called_for_every_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_frames(30))
    times: list[float] = []
    assert len(list(read_frames(path, fps=5, on_decoded=times.append))) == 6
    np.testing.assert_allclose(times, np.arange(30) / 25, atol=1e-3)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: image[::-1, ::-1].transpose(1, 0, 2)),
    ],
)
def test_the_display_matrix_is_honoured(
    tmp_path: Path, matrix: tuple[int, int, int, int], shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:24, :32] = 255  # bright at the top left
    path = turned(write_video(tmp_path / "a.mp4", [image] * 3), matrix)
    frame = next(iter(read_frames(path)))
    assert frame.image.shape == shown(image).shape
    assert np.abs(frame.image.astype(int) - shown(image)).mean() < 4
    info = video_info(path)
    assert (info.height, info.width) == shown(image).shape[:2]


@pytest.mark.parametrize(("aspect", "width"), [((64, 45), 92), ((8, 9), 56), ((1, 1), 64), ((9, 1), 64)])
def test_non_square_pixels_are_stretched(tmp_path: Path, aspect: tuple[int, int], width: int) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = 255
    path = write_video(tmp_path / "a.mp4", [image] * 3, pixel_aspect=Fraction(*aspect))
    frame = next(iter(read_frames(path)))
    assert frame.image.shape == (48, width, 3)
    assert abs(int((frame.image[24, :, 0] > 128).argmax()) - width / 2) <= 1
    info = video_info(path)
    assert (info.width, info.height) == (width, 48)
    upright = turned(path, (0, 1, -1, 0))
    assert next(iter(read_frames(upright))).image.shape == (width, 48, 3)
    assert video_info(upright).height == width


def test_info(smiling: Path) -> None:
    info = video_info(smiling)
    assert (info.width, info.height) == (192, 192)  # from 176 x 192 non-square pixels
    assert info.fps == pytest.approx(29.97, abs=0.01)
    assert info.duration_s == pytest.approx(4.0, abs=0.01)


def test_a_thumbnail_averages_the_planes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [np.full((64, 64, 3), 128, np.uint8)] * 2)
    thumbnail = next(iter(decode_frames(path))).thumbnail()
    assert thumbnail.shape == (1536,)
    # Grey 128 in the limited range of video: 16 + 128 * 219 / 255.
    np.testing.assert_allclose(thumbnail[:1024], 126, atol=2)
    np.testing.assert_allclose(thumbnail[1024:], 128, atol=2)


@pytest.mark.parametrize(
    ("height", "width", "codec", "is_part"),
    [(128, 160, "libx264", True), (98, 150, "libx264", True), (98, 151, "mpeg4", True), (99, 150, "mpeg4", False),
     (128, 160, "mjpeg", True)],
)  # fmt: skip
def test_a_part_has_the_numbers_of_the_whole(
    tmp_path: Path, height: int, width: int, codec: str, is_part: bool
) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8))
    path = write_video(tmp_path / "a.mkv", images, codec=codec)
    boxes = [(-20, -20, 30, 30), (41, 33, 70, 71.5), (140, 90, 300, 300), (-90, 20, -40, 70), (500, 500, 510, 510)]
    for frame in decode_frames(path):
        whole = frame.image()
        assert frame.size == (width, height)
        for box in boxes:
            left, top, part = frame.part(np.array(box))
            np.testing.assert_array_equal(part, whole[top : top + part.shape[0], left : left + part.shape[1]])
            assert (part.size < whole.size) == is_part
            x0, y0, x1, y1 = np.clip(box, 0, [width, height] * 2)
            assert left <= x0
            assert top <= y0
            assert x1 <= left + part.shape[1]
            assert y1 <= top + part.shape[0]


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 1, 1, 0)])
def test_a_part_of_a_turned_frame_has_the_numbers_of_the_whole(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (1, 96, 144, 3), np.uint8))
    path = turned(write_video(tmp_path / "a.mp4", images), matrix)
    frame = next(iter(decode_frames(path)))
    whole = frame.image()
    assert frame.size == whole.shape[1::-1]
    for box in ((20, 30, 50, 60), (-9, 40, 30, 99), (60, 70, 300, 300)):
        left, top, part = frame.part(np.array(box))
        np.testing.assert_array_equal(part, whole[top : top + part.shape[0], left : left + part.shape[1]])
        assert part.size < whole.size
        x0, y0, x1, y1 = np.clip(box, 0, [*frame.size] * 2)
        assert left <= x0
        assert top <= y0
        assert x1 <= left + part.shape[1]
        assert y1 <= top + part.shape[0]


@pytest.mark.parametrize(
    ("matrix", "codec"),
    [(None, "libx264"), (None, "mjpeg"), ((0, 1, -1, 0), "libx264"), ((-1, 0, 0, -1), "libx264"),
     ((0, -1, 1, 0), "libx264"), ((-1, 0, 0, 1), "libx264"), ((0, 1, 1, 0), "libx264")],
)  # fmt: skip
def test_a_small_square_shows_what_the_converted_frame_does(
    tmp_path: Path, matrix: tuple[int, int, int, int] | None, codec: str
) -> None:
    coarse = np.random.default_rng(0).integers(60, 190, (15, 20, 3), np.uint8)
    images = [cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)]
    suffix = "mkv" if matrix is None else "mp4"
    path = write_video(tmp_path / f"a.{suffix}", images, codec=codec)
    frame = next(iter(decode_frames(path if matrix is None else turned(path, matrix))))
    whole = frame.image()
    for left, top, side in ((20, 30, 64), (21, 13, 71), (-30, -40, 128), (200, 180, 100), (7, 500, 64)):
        square = frame.square(left, top, side, 32)
        assert square is not None
        is_even = left % 2 == top % 2 == side % 2 == 0  # otherwise the colours are half a pixel beside the brightness
        away = square.astype(float) - shrunk_square(whole, left, top, side, 32)
        assert np.abs(away).mean() < (1.5 if is_even else 5)


def test_a_stretched_frame_has_no_small_square(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_frames(2), pixel_aspect=Fraction(4, 3))
    assert next(iter(decode_frames(path))).square(0, 0, 32, 16) is None


def test_a_frame_that_is_turned_or_stretched_has_the_right_parts(tmp_path: Path) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), np.uint8))
    path = write_video(tmp_path / "a.mp4", images, pixel_aspect=Fraction(4, 3))
    for each in (path, turned(path, (0, 1, -1, 0))):
        frame = next(iter(decode_frames(each)))
        left, top, part = frame.part(np.array([20, 30, 50, 60]))
        whole = frame.image()
        assert frame.size == whole.shape[1::-1]
        np.testing.assert_array_equal(part, whole[top : top + part.shape[0], left : left + part.shape[1]])


@pytest.mark.parametrize(("start_s", "length_s", "key_every"), [(1.0, 1.4, 250), (1.1, 0.4, 10), (0.0, 0.5, 10)])
def test_trimmed_frames_are_not_reported_as_lost(
    tmp_path: Path, start_s: float, length_s: float, key_every: int
) -> None:
    path = trimmed(write_video(tmp_path / "a.mp4", grey_frames(60), key_every=key_every), start_s, length_s)
    frames = list(read_frames(path))
    assert abs(len(frames) - length_s * 25) <= 1
    assert abs(float(frames[0].image.mean()) - 2 * 25 * start_s) <= 6


def bad_file(kind: str, folder: Path) -> Path:
    path = folder / "video.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is not a video.\n" * 200)
    elif kind == "folder":
        path.mkdir()
    elif kind == "truncated, index at its end":
        whole = write_video(folder / "whole.mp4", grey_frames(50)).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "sound":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16_000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(stream.encode(sound))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such file"),
        ("empty", "is empty"),
        ("text", "is not a video"),
        ("folder", "is a folder"),
        ("truncated, index at its end", "is truncated"),
        ("sound", "has no picture: it contains audio"),
    ],
)
def test_files_that_are_not_videos_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, said: str
) -> None:
    path = bad_file(kind, tmp_path)
    for read in (lambda: list(read_frames(path)), lambda: video_info(path)):
        with pytest.raises(VideoError, match=said) as caught:
            read()
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_good_frames_come_before_the_error_of_a_corrupt_file(
    tmp_path: Path, smiling: Path, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    whole = tmp_path / "whole.mkv"
    frames = [frame.image for frame in read_frames(smiling)]
    content = write_video(tmp_path / "whole.mp4", frames, faststart=True).read_bytes()
    middle = len(content) * 6 // 10
    kept = content[:middle] if damage == "cut" else content[:middle] + bytes(4000) + content[middle + 4000 :]
    whole.write_bytes(kept)
    good: list[int] = []
    with pytest.raises(VideoError, match=r"truncated|corrupt"):
        good.extend(frame.index for frame in read_frames(whole))
    assert 50 <= len(good) < 120
    assert good == list(range(len(good)))
    assert capfd.readouterr() == ("", "")
