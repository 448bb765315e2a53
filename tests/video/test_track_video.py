"""Tracking a video: yielded faces, counts, and reproducible crops."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError, VideoError
from fabnet.faces.crop import CropSpec, cut
from fabnet.faces.detect.load import load_detector
from fabnet.video.decode import read_frames
from fabnet.video.track_video import TrackedFace, VideoStats, track_video

from ..faces.detect.overlap import overlap
from .composed import turned, write_video


@pytest.fixture(scope="module")
def tracked(smiling: Path) -> tuple[list[TrackedFace], VideoStats]:
    stats = VideoStats()
    return list(track_video(smiling, load_detector(), fps=5.0, stats=stats)), stats


def test_one_man_is_one_track_with_a_face_on_every_frame(tracked: tuple[list[TrackedFace], VideoStats]) -> None:
    faces, stats = tracked
    assert {face.track for face in faces} == {0}
    assert [face.frame for face in faces] == list(range(0, 120, 6))
    assert (stats.frames_decoded, stats.frames_detected_on) == (120, 20)
    assert (stats.frames_kept, stats.frames_with_face) == (20, 20)
    assert stats.duration_s == pytest.approx(119 / 29.97, abs=0.01)
    assert stats.warning is None
    assert set(stats.seconds) == {"decode", "detect", "link", "crop"}
    assert all(seconds > 0 for seconds in stats.seconds.values())


def test_a_tracked_face_has_box_points_and_crop(tracked: tuple[list[TrackedFace], VideoStats]) -> None:
    for face in tracked[0]:
        assert face.image.shape == (256, 256, 3)
        assert face.image.dtype == np.uint8
        assert face.crop_box_px.dtype == face.box_px.dtype == np.float32
        assert face.landmarks5_px.shape == (5, 2)
        width, height = face.crop_box_px[2:] - face.crop_box_px[:2]
        assert width == pytest.approx(height, abs=1e-3)
        assert (face.crop_box_px[:2] < face.box_px[:2]).all()
        assert (face.crop_box_px[2:] > face.box_px[2:]).all()


def test_the_crop_box_reproduces_the_crop_bit_for_bit(
    tracked: tuple[list[TrackedFace], VideoStats], smiling: Path
) -> None:
    frames = {frame.index: frame.image for frame in read_frames(smiling)}
    for face in tracked[0]:
        np.testing.assert_array_equal(cut(frames[face.frame], face.crop_box_px, 256), face.image)


def test_linking_uses_more_frames_than_are_kept(smiling: Path) -> None:
    stats = VideoStats()
    kept: list[tuple[int, float]] = []
    times_s: list[float] = []
    faces = list(
        track_video(
            smiling,
            load_detector(),
            spec=CropSpec(size=64),
            fps=1.0,
            stats=stats,
            on_progress=times_s.append,
            on_kept=lambda index, time_s: kept.append((index, round(time_s, 1))),
        )
    )
    assert [face.frame for face in faces] == [0, 30, 60, 90]
    assert kept == [(0, 0.0), (30, 1.0), (60, 2.0), (90, 3.0)]
    assert (stats.frames_kept, stats.frames_detected_on, stats.frames_searched) == (4, 20, 4)
    assert len(times_s) == 120
    assert times_s == sorted(times_s)


def test_following_changes_no_box_and_hardly_a_crop(
    tracked: tuple[list[TrackedFace], VideoStats], smiling: Path
) -> None:
    searched = {face.frame: face for face in tracked[0]}
    followed = list(track_video(smiling, load_detector(), fps=1.0))
    assert [face.frame for face in followed] == [0, 30, 60, 90]
    for face in followed:
        np.testing.assert_array_equal(face.box_px, searched[face.frame].box_px)
        np.testing.assert_array_equal(face.landmarks5_px, searched[face.frame].landmarks5_px)
        assert overlap(face.crop_box_px, searched[face.frame].crop_box_px) > 0.9


def test_a_cut_is_searched(tmp_path: Path, smiling: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling)][:40]
    stats = VideoStats()
    video = frames[:20] + [np.ascontiguousarray(frame[:, ::-1] // 2 + 100) for frame in frames[20:]]
    faces = list(track_video(write_video(tmp_path / "a.mp4", video), load_detector(), fps=0.5, stats=stats))
    assert [(face.track, face.frame) for face in faces] == [(0, 0)]
    assert (stats.frames_detected_on, stats.frames_searched) == (8, 2)


def test_smoothing_steadies_the_crop(tracked: tuple[list[TrackedFace], VideoStats], smiling: Path) -> None:
    def shake(faces: list[TrackedFace]) -> float:
        sides = np.array([face.crop_box_px[2] - face.crop_box_px[0] for face in faces])
        return float(np.abs(np.diff(np.log(sides))).mean())

    plain = list(track_video(smiling, load_detector(), spec=CropSpec(smoothing_s=0.0, size=32), fps=5.0))
    assert len(plain) == 20
    assert shake(tracked[0]) < 0.5 * shake(plain)


def test_a_video_without_a_face_gives_none(tmp_path: Path) -> None:
    stats = VideoStats()
    path = write_video(tmp_path / "a.mp4", [np.full((96, 128, 3), 90, np.uint8)] * 30)
    assert list(track_video(path, load_detector(), stats=stats)) == []
    assert (stats.frames_kept, stats.frames_with_face) == (2, 0)


def test_a_corrupt_video_keeps_its_good_part_and_warns(tmp_path: Path, smiling: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling)]
    content = write_video(tmp_path / "whole.mp4", frames, faststart=True).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: len(content) * 6 // 10])
    stats = VideoStats()
    faces = list(track_video(path, load_detector(), stats=stats))
    assert len(faces) >= 2
    assert {face.track for face in faces} == {0}
    assert stats.warning is not None
    assert "truncated" in stats.warning or "corrupt" in stats.warning


def test_a_rotated_video_gives_the_faces_of_the_upright_one(tmp_path: Path, smiling: Path) -> None:
    upright = [cv2.resize(frame.image, (352, 288)) for frame in read_frames(smiling) if frame.index < 60]
    lying = [np.ascontiguousarray(np.rot90(image)) for image in upright]
    straight = list(track_video(write_video(tmp_path / "a.mp4", upright, crf=10), load_detector(), fps=5.0))
    path = turned(write_video(tmp_path / "b.mp4", lying, crf=10), (0, 1, -1, 0))
    shown = list(track_video(path, load_detector(), fps=5.0))
    assert {face.track for face in shown} == {0}
    assert [face.frame for face in shown] == [face.frame for face in straight]
    for face, other in zip(shown, straight, strict=True):
        np.testing.assert_allclose(face.crop_box_px, other.crop_box_px, atol=6)
        assert np.abs(face.image.astype(int) - other.image).mean() < 12


def test_a_file_that_is_not_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    with pytest.raises(VideoError, match="is not a video"):
        list(track_video(tmp_path / "a.mp4", load_detector()))


@pytest.mark.parametrize("wrong", [{"fps": 0.0}, {"fps": -1.0}, {"fps": math.inf}, {"link_fps": 0.0}])
def test_impossible_rates_are_refused(smiling: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give a positive number"):
        list(track_video(smiling, load_detector(), **wrong))  # type: ignore[arg-type]


# Not ru_maxrss: a process that was just started has its parent's in it.
PEAK = r"""
import re, sys
from pathlib import Path
import cv2
cv2.setNumThreads(1)
from fabnet.faces.detect.load import load_detector
from fabnet.video.track_video import track_video
count = sum(1 for _ in track_video(Path(sys.argv[1]), load_detector(), fps=float(sys.argv[2])))
print(count, re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


def peak(path: Path, fps: float) -> tuple[int, float]:
    """Number of faces that a new process tracks, and its peak memory in MiB."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path), str(fps)], capture_output=True, text=True, check=True)
    count, kilobytes = done.stdout.split()
    return int(count), int(kilobytes) / 1024


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads peak memory from /proc")


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("fps", [1.0, 10.0])
def test_memory_is_flat_in_length(tmp_path: Path, shared_data: Path, fps: float) -> None:
    clip = shared_data / "talking_clips" / "d10.mp4"
    once = [frame.image for frame in read_frames(clip)]
    # From five minutes on: until then buffers and the allocator's reserves fill, 184 MiB at 15 s, 243 at 5 minutes.
    (num_short, short_mib), (num_long, long_mib) = (
        peak(write_video(tmp_path / f"{times}.mp4", once * times, crf=18), fps) for times in (20, 40)
    )
    assert num_long > 1.9 * num_short
    assert long_mib < 1.1 * short_mib
    assert long_mib < 1000


@pytest.mark.slow
@needs_proc
def test_memory_stays_low_with_large_frames_that_are_all_kept(tmp_path: Path, smiling: Path) -> None:
    frames = [cv2.resize(frame.image, (1760, 1440)) for frame in read_frames(smiling)]
    assert peak(write_video(tmp_path / "large.mp4", frames), 30.0)[1] < 1000
