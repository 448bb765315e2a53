"""Other tools' points lie on the face, if the tools are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.errors import InputError, MissingDependencyError
from fabnet.faces.landmarks import five_of_68
from fabnet.probes.landmarkers import LANDMARKERS, load_landmarker
from fabnet.probes.protocols.youtube_faces import OUTER_EYES, read_landmarks
from fabnet.probes.tasks.points import point_distance, point_errors
from fabnet.video.decode import read_frames


def need(tool: str) -> None:
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed")


@pytest.mark.parametrize("tool", LANDMARKERS)
def test_the_points_lie_on_the_face(tool: str, shared_data: Path) -> None:
    need(tool)
    folder = shared_data / "youtube_faces"
    labels = read_landmarks(folder / "landmarks68.csv")
    crops, true = [], []
    for name in list(labels)[::120][:24]:
        face = fabnet.crop_faces(np.asarray(cv2.imread(str(folder / "frames" / name)))[:, :, ::-1].copy())[0]
        crops.append(face.image)
        true.append(labels[name] @ face.to_crop[:, :2].T + face.to_crop[:, 2])
    eyes = point_distance(*OUTER_EYES, "").measure(np.array(true))
    errors = point_errors(load_landmarker(tool)(crops), np.array(true)) / eyes
    assert np.median(errors) < 0.09
    mean_face = point_errors(np.mean(true, axis=0)[None].repeat(len(true), axis=0), np.array(true)) / eyes
    assert np.median(errors) < 0.6 * np.median(mean_face)


@pytest.mark.parametrize("tool", LANDMARKERS)
def test_points_move_with_the_face_and_do_not_depend_on_the_size(tool: str, smiling: Path) -> None:
    need(tool)
    crop = fabnet.crop_faces(next(iter(read_frames(smiling))).image)[0].image
    predict = load_landmarker(tool)
    points, moved = predict([crop])[0], predict([np.roll(crop, 6, axis=1)])[0]
    assert np.abs((moved - points).mean(axis=0) - [6, 0]).max() < 1.5
    larger = predict([cv2.resize(crop, (512, 512), interpolation=cv2.INTER_CUBIC)])[0]
    assert np.abs(larger / 2 - points).mean() < 1.5
    five = five_of_68(points[None])[0]
    assert five[0, 0] < five[2, 0] < five[1, 0]
    assert five[0, 1] < five[2, 1] < five[3, 1]


def test_missing_tools_are_reported() -> None:
    with pytest.raises(InputError, match="'openface'; expected dlib or mediapipe"):
        load_landmarker("openface")
    if importlib.util.find_spec("mediapipe") is None:
        with pytest.raises(MissingDependencyError, match=r"pip install --no-deps mediapipe==0\.10\.21"):
            load_landmarker("mediapipe")
