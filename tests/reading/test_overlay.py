"""What is drawn over faces: the units that are present, grey for what is out of range, and `read --overlay`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fabnet
from fabnet.encoders.face_reader import ReaderTask
from fabnet.errors import InputError, NoFaceError
from fabnet.reading.overlay import draw_face
from fabnet.video.decode import Frame, read_frames
from fabnet.video.encode import VideoWriter

TASKS = (
    ReaderTask("landmarks68", "points", tuple(f"{axis}{point}" for point in range(68) for axis in "xy"), ""),
    ReaderTask("pose", "values", ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"), ""),
    ReaderTask("expression", "classes", ("expression_happy", "expression_sad"), ""),
    ReaderTask("units", "probabilities", ("AU01", "AU12"), ""),
)


def drawn(**changes: Any) -> np.ndarray:
    """A black picture with a face drawn on it."""
    points = np.stack([np.linspace(110, 190, 68), np.linspace(110, 190, 68)], axis=1)
    row = {
        "reason": "", "box_px": [100, 100, 200, 200], "out_of_range": "", "landmarks68_px": points.ravel().tolist(),
        "pose_roll_deg": 0.0, "pose_pitch_deg": 10.0, "pose_yaw_deg": 20.0, "expression": "happy",
        "expression_happy": 0.9, "expression_sad": 0.1, "AU01": 0.2, "AU12": 0.9,
    }  # fmt: skip
    image = np.zeros((300, 300, 3), np.uint8)
    draw_face(image, row | changes, TASKS)
    return image


def colourful(image: np.ndarray) -> int:
    """Pixels that are not grey."""
    return int((np.ptp(image.astype(int), axis=2) > 20).sum())


def test_a_face_that_is_out_of_range_is_grey_and_says_why() -> None:
    inside, outside = drawn(), drawn(out_of_range="turned")
    assert colourful(inside) > 200
    assert colourful(outside) == 0
    assert outside.max() < inside.max()
    assert outside[80:100].any()  # the reason
    assert not np.array_equal(outside, drawn(out_of_range="dark"))
    assert not drawn(reason="no face found").any()


def test_only_units_that_are_present_are_written() -> None:
    none = drawn(AU12=0.2)
    assert not none[202:].any()
    assert drawn()[202:].any()
    assert not np.array_equal(drawn()[202:], drawn(AU12=0.6)[202:])  # its probability
    assert not np.array_equal(drawn()[202:], drawn(AU01=0.9)[202:])


def test_read_draws_an_overlay(smiling: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, fps=25) as writer:
        for frame in read_frames(smiling):
            if frame.index < 4:
                writer.write(frame)
    fabnet.read_to([clip], tmp_path / "out.csv", overlay=tmp_path / "over.mp4")
    before, after = list(read_frames(clip)), list(read_frames(tmp_path / "over.mp4"))
    assert len(before) == len(after) == 4
    for plain, over in zip(before, after, strict=True):
        assert (np.abs(over.image.astype(int) - plain.image).max(axis=2) > 60).mean() > 0.01
    with pytest.raises(InputError, match="also the overlay"):
        fabnet.read_to([clip], tmp_path / "x.csv", overlay=tmp_path / "x.csv")
    with pytest.raises(InputError, match="drawn on one video"):
        fabnet.read([clip, smiling], overlay=tmp_path / "x.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.csv", "over.mp4"]


def test_without_a_face_no_overlay_is_written(tmp_path: Path) -> None:
    clip = tmp_path / "grey.mp4"
    with VideoWriter(clip, fps=25) as writer:
        for number in range(4):
            writer.write(Frame(number, number / 25, np.full((96, 96, 3), 128, np.uint8)))
    with pytest.raises(NoFaceError):
        fabnet.read_to([clip], tmp_path / "out.csv", overlay=tmp_path / "over.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["grey.mp4"]
