"""Heads that lean, on their side and upside down: the clip's pictures, turned by known angles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.faces.pose import rotation_matrix
from fabnet.video.decode import Frame, read_frames
from fabnet.video.encode import VideoWriter

POSE = ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg")


@pytest.fixture(scope="module")
def frames(smiling: Path) -> list[np.ndarray]:
    """Pictures with room around them, in which the head hardly leans."""
    wide = [cv2.copyMakeBorder(frame.image, *(60,) * 4, cv2.BORDER_REPLICATE) for frame in read_frames(smiling)]
    return [np.asarray(image) for image in wide[:12]]


def leaning(image: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned about its middle, and the (2, 3) map of points that this is."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1.0)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    turn[:, 2] += 0.5 - 0.5 * turn[:, :2].sum(axis=1)  # boxes count pixel centres from 0.5
    return np.asarray(turned), turn


def pose_of(row: dict[str, Any]) -> np.ndarray:
    return rotation_matrix(np.radians([row[name] for name in POSE]))


def angle_between(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))))


def read_photo(image: np.ndarray, file: Path) -> dict[str, Any]:
    cv2.imwrite(str(file), image[:, :, ::-1])
    (row,) = fabnet.read(file).to_pylist()
    return dict(row)


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40, 90, 180])
def test_a_head_that_leans_is_read_as_one_that_does_not(
    frames: list[np.ndarray], tmp_path: Path, degrees: float
) -> None:
    upright = read_photo(frames[0], tmp_path / "upright.png")
    turned, turn = leaning(frames[0], degrees)
    read = read_photo(turned, tmp_path / "turned.png")
    assert read["in_range"]
    expected = np.reshape(upright["landmarks68_px"], (68, 2)) @ turn[:, :2].T + turn[:, 2]
    points = np.reshape(read["landmarks68_px"], (68, 2))
    between = float(np.linalg.norm(expected[36] - expected[45]))
    assert np.linalg.norm(points - expected, axis=1).mean() < 0.05 * between
    turned_pose = rotation_matrix(np.radians([degrees, 0, 0])) @ pose_of(upright)
    assert angle_between(pose_of(read), turned_pose) < 5
    middle = np.mean(np.reshape(upright["box_px"], (2, 2)), axis=0) @ turn[:, :2].T + turn[:, 2]
    np.testing.assert_allclose(np.mean(np.reshape(read["box_px"], (2, 2)), axis=0), middle, atol=0.05 * between)
    for name, most in (("smile", 0.2), ("mouth_opening", 0.02), ("eyes_opening", 0.01)):
        assert read[name] == pytest.approx(upright[name], abs=most)


def test_a_leaning_head_is_followed_as_one_track(frames: list[np.ndarray], tmp_path: Path) -> None:
    angles = np.linspace(0, 40, len(frames))
    read = {}
    for name, turns in (("upright", 0 * angles), ("leaning", angles)):
        with VideoWriter(tmp_path / f"{name}.mp4", fps=25.0) as writer:
            for index, (image, turn) in enumerate(zip(frames, turns.tolist(), strict=True)):
                writer.write(Frame(index, index / 25, leaning(image, turn)[0]))
        read[name] = fabnet.read(tmp_path / f"{name}.mp4").to_pylist()
        assert {row["track"] for row in read[name]} == {"0"}
        assert all(row["in_range"] for row in read[name])
    for one, other, angle in zip(read["upright"], read["leaning"], angles, strict=True):
        expected = rotation_matrix(np.radians([angle, 0, 0])) @ pose_of(one)
        assert angle_between(pose_of(other), expected) < 5
