from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.points import Points
from fabnet.store.split import split_of

POINTS = np.random.default_rng(0).uniform(100, 300, (3, 68)).astype(np.float32)
POINTS_LP = POINTS[:2].T + 7


def face(path: Path, pitch: float, yaw: float, roll: float, **more: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path.with_suffix(".jpg")), np.full((45, 45, 3), 127, np.uint8))
    pose = np.array([[*np.radians([pitch, yaw, roll]), 220, 160, -100, 0.001]])
    savemat(path, {"Pose_Para": pose, "roi": np.array([[1, 2, 3, 4]]), **more})


@pytest.fixture
def aflw2000(tmp_path: Path) -> Path:
    face(tmp_path / "AFLW2000/image00002.mat", 10, 20, 30, pt3d_68=POINTS)
    face(tmp_path / "AFLW2000/image00004.mat", 5, -60, -15, pt3d_68=POINTS)
    face(tmp_path / "AFLW2000/image00006.mat", 0, 120, 0, pt3d_68=POINTS)
    return tmp_path


def test_angles_points_and_the_dropped_face(aflw2000: Path) -> None:
    benchmark = read_benchmark("aflw2000", aflw2000)
    assert list(benchmark.names) == ["AFLW2000/image00002.jpg", "AFLW2000/image00004.jpg"]
    assert benchmark.images[0] == aflw2000 / "AFLW2000/image00002.jpg"
    pose, landmarks = benchmark.tasks
    assert (pose.name, pose.columns) == ("pose", ("roll", "pitch", "yaw"))
    np.testing.assert_allclose(pose.targets, [[-30, 10, 20], [15, 5, -60]], rtol=1e-6)
    assert isinstance(landmarks, Points)
    assert (landmarks.name, landmarks.normalisers[0].name) == ("landmarks68", "points' box side")
    np.testing.assert_allclose(landmarks.targets[0], POINTS[:2].T.ravel() - 0.5)
    assert benchmark.face_px is not None
    expected = [*POINTS[:2].min(axis=1), *POINTS[:2].max(axis=1)]
    np.testing.assert_allclose(benchmark.face_px[1], np.array(expected) - 0.5)


def test_alone_it_is_split_by_a_hash_of_the_file_name(aflw2000: Path) -> None:
    for number in range(10, 40):
        face(aflw2000 / f"AFLW2000/image{number:05d}.mat", 0, 0, 0, pt3d_68=POINTS)
    benchmark = read_benchmark("aflw2000", aflw2000)
    assert benchmark.split.tolist() == [split_of(name.removeprefix("AFLW2000/")) for name in benchmark.names]
    assert set(benchmark.split) == {"train", "val", "test"}


def test_300w_lp_is_the_training_set_if_present(aflw2000: Path) -> None:
    flat = POINTS[:2]
    face(aflw2000 / "300W_LP/AFW/AFW_1_0.mat", -4, 3, 2, pt2d=flat)
    face(aflw2000 / "300W_LP/AFW_Flip/AFW_1_0.mat", -4, -3, -2, pt2d=flat)
    face(aflw2000 / "300W_LP/LFPW/LFPW_1_9.mat", -100, 0, 0, pt2d=flat)
    (aflw2000 / "300W_LP/landmarks/AFW").mkdir(parents=True)
    savemat(aflw2000 / "300W_LP/landmarks/AFW/AFW_1_0_pts.mat", {"pts_2d": POINTS_LP, "pts_3d": POINTS_LP})
    benchmark = read_benchmark("aflw2000", aflw2000)
    assert list(benchmark.names)[2:] == ["300W_LP/AFW/AFW_1_0.jpg", "300W_LP/AFW_Flip/AFW_1_0.jpg"]
    assert benchmark.split.tolist() == ["test", "test", "train", "train"]
    assert benchmark.photos is not None
    assert benchmark.photos.tolist() == ["image00002", "image00004", "AFW_1", "AFW_1"]
    pose, landmarks = benchmark.tasks
    np.testing.assert_allclose(pose.targets[2:], [[-2, -4, 3], [2, -4, -3]])
    np.testing.assert_allclose(landmarks.targets[2], POINTS_LP.ravel() - 0.5)
    assert np.isnan(landmarks.targets[3]).all()
    assert benchmark.face_px is not None
    assert np.isfinite(benchmark.face_px).all()


def test_missing_and_wrong_files(aflw2000: Path) -> None:
    label = aflw2000 / "AFLW2000/image00002.mat"
    savemat(label, {"Pose_Para": np.zeros((1, 7)), "pt2d": POINTS})
    with pytest.raises(InputError, match=r"image00002.mat: expected pt3d_68 of shape \(3, 68\), found \(0,\)"):
        read_benchmark("aflw2000", aflw2000)
    no_roll = np.array([[0.1, 0.2, np.nan, 220]])
    for pose in ({}, {"Pose_Para": no_roll}, {"Pose_Para": no_roll[:, :2]}):
        savemat(label, {"pt3d_68": POINTS} | pose)
        with pytest.raises(InputError, match=r"image00002.mat: expected Pose_Para with pitch, yaw and roll in radians"):
            read_benchmark("aflw2000", aflw2000)
    label.write_bytes(b"no Matlab file" * 20)
    with pytest.raises(InputError, match=r"image00002.mat is not a MATLAB 5 file"):
        read_benchmark("aflw2000", aflw2000)
    label.unlink()
    (aflw2000 / "AFLW2000/image00004.jpg").unlink()
    with pytest.raises(InputError, match=r"aflw2000: 1 of 1 labelled images are missing, .*image00004.jpg"):
        read_benchmark("aflw2000", aflw2000)
    (aflw2000 / "300W_LP").mkdir()
    with pytest.raises(InputError, match=r"no .mat file in .*300W_LP/{AFW,HELEN,IBUG,LFPW}"):
        read_benchmark("aflw2000", aflw2000)


def test_real_faces(shared_data: Path, tmp_path: Path) -> None:
    samples = shared_data / "aflw2000_samples"
    shutil.copytree(samples, tmp_path / "AFLW2000")
    benchmark = read_benchmark("aflw2000", tmp_path)
    assert len(benchmark.names) == 16
    place = list(benchmark.names).index("AFLW2000/image02420.jpg")
    content = loadmat(samples / "image02420.mat")
    pitch, yaw, roll = np.degrees(content["Pose_Para"][0, :3])
    np.testing.assert_allclose(benchmark.tasks[0].targets[place], [-roll, pitch, yaw], rtol=1e-6)
    # His nose tip lies left of both eyes: a profile to the left of the image has a positive yaw.
    points = benchmark.tasks[1].targets[place].reshape(68, 2)
    assert points[30, 0] < points[36:48, 0].min()
    assert benchmark.tasks[0].targets[place, 2] > 60
