"""AFLW2000-3D: head pose and 68 points.

Layout:

    AFLW2000/*.jpg, *.mat               the 2,000 test faces, 450 x 450
    300W_LP/AFW/*.jpg, *.mat            training, optional: AFW, HELEN, IBUG, LFPW and their mirrored _Flip
    300W_LP/landmarks/AFW/*_pts.mat     its points; faces without such a file have no points

Split: train on 300W-LP and test on AFLW2000-3D. Without 300W-LP, AFLW2000-3D alone is split by a hash of the file name,
75 / 15 / 10: this split is this project's own, and its scores are not comparable with published ones. Crop: the
detector's; the box of the points (for 300W-LP, of its `pt2d`) identifies the face. Metric: mean absolute error of roll,
pitch and yaw in degrees, and their mean; for points, the mean distance over the side of their box, and over the
distance of the outer eye corners, which is near zero in profile.

Faces with an angle beyond 99 degrees are left out of both sets, as most papers do after Hopenet (31 test faces). The
files' angles are pitch, yaw, roll in radians with a clockwise roll. The points are projections of a fitted 3-D face, so
hidden points count too; they are in Matlab's pixels, which start at 1, so 0.5 is subtracted.

Uncertain: 300W-LP's `pts_3d` is taken as the counterpart of AFLW2000's `pt3d_68`, in the same pixels.

Source: Zhu et al.: Face alignment across large poses: a 3D solution, CVPR 2016; Ruiz et al.: Fine-grained head pose
estimation without keypoints, CVPR workshops 2018, for the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES, from_aflw2000
from fabnet.files.limits import MAX_TABLE_BYTES, check_file
from fabnet.files.mat_file import read_arrays
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find
from fabnet.probes.tasks.points import Points, box_side, point_distance
from fabnet.probes.tasks.quantities import Angles
from fabnet.store.split import split_of

__all__ = ["read"]

MAX_DEG = 99.0
TRAIN_SETS = ("AFW", "HELEN", "IBUG", "LFPW")
NAMES = ("Pose_Para", "pt2d", "pt3d_68", "pts_3d")


class _Face(NamedTuple):
    """A face's labels.

    Attributes:
        angles: (3,) roll, pitch, yaw in degrees.
        points: (68, 2) in pixels, NaN without points.
        box_px: (4,) x0, y0, x1, y1.
    """

    angles: np.ndarray
    points: np.ndarray
    box_px: np.ndarray


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces by name, AFLW2000's before 300W-LP's.

    Raises:
        InputError: a folder is missing or empty, or a file is malformed.
    """
    test_folder = find("aflw2000", data, "folder of test faces", "AFLW2000")
    labels = sorted(test_folder.glob("*.mat"))
    if not labels:
        raise InputError(f"aflw2000: no .mat file in {test_folder}; expected one next to each jpg")
    trained = _training_files(data / "300W_LP")
    faces = [(label, "test" if trained else split_of(f"{label.stem}.jpg"), _read_face(label)) for label in labels]
    faces += [(label, "train", _read_training_face(data / "300W_LP", label)) for label in trained]
    faces = [face for face in faces if np.abs(face[2].angles).max() <= MAX_DEG]
    images = [label.with_suffix(".jpg") for label, _, _ in faces]
    landmarks = Points(
        name="landmarks68",
        targets=np.array([face.points for _, _, face in faces]).reshape(-1, 136),
        normalisers=(box_side(), point_distance(36, 45, "outer-eye distance")),
    )
    angles = np.array([face.angles for _, _, face in faces]).reshape(-1, 3)
    return Benchmark(
        name="aflw2000",
        images=images,
        names=[image.relative_to(data).as_posix() for image in images],
        split=np.array([split for _, split, _ in faces]),
        photos=np.array([_photo(label) for label, _, _ in faces]),
        tasks=(Angles(name="pose", targets=angles, columns=ANGLES), landmarks),
        face_px=np.array([face.box_px for _, _, face in faces]).reshape(-1, 4),
    )


def _photo(label: Path) -> str:
    """The photo that a face of 300W-LP was made from: AFW_Flip/AFW_134212_1_7 is the eighth of AFW_134212_1."""
    return label.stem.rsplit("_", 1)[0] if "300W_LP" in label.parts else label.stem


def _training_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    sets = [folder / f"{name}{flip}" for name in TRAIN_SETS for flip in ("", "_Flip")]
    labels = [label for part in sets for label in sorted(part.glob("*.mat"))]
    if not labels:
        raise InputError(f"aflw2000: no .mat file in {folder}/{{{','.join(TRAIN_SETS)}}}; expected one per jpg")
    return labels


def _load(path: Path) -> Mapping[str, Any]:
    check_file(path, MAX_TABLE_BYTES)
    return read_arrays(path, NAMES)


def _read_angles(path: Path, content: Mapping[str, Any]) -> np.ndarray:
    """(3,) roll, pitch, yaw in degrees."""
    pose = np.asarray(content.get("Pose_Para", ()), np.float64).ravel()
    if len(pose) < 3 or not np.isfinite(pose[:3]).all():
        raise InputError(f"{path}: expected Pose_Para with pitch, yaw and roll in radians")
    return np.asarray(np.degrees(from_aflw2000(pose[:3])))


def _read_points(path: Path, content: Mapping[str, Any], name: str, shape: tuple[int, int]) -> np.ndarray:
    """A matrix of points in Matlab's pixels, minus half a pixel."""
    points = np.asarray(content.get(name, ()), np.float64)
    if points.shape != shape:
        raise InputError(f"{path}: expected {name} of shape {shape}, found {points.shape}")
    return points - 0.5


def _box(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _read_face(path: Path) -> _Face:
    content = _load(path)
    points = _read_points(path, content, "pt3d_68", (3, 68))[:2].T
    return _Face(_read_angles(path, content), points, _box(points))


def _read_training_face(folder: Path, path: Path) -> _Face:
    content = _load(path)
    box_px = _box(_read_points(path, content, "pt2d", (2, 68)).T)
    label = folder / "landmarks" / path.parent.name / f"{path.stem}_pts.mat"
    points = np.full((68, 2), np.nan)
    if label.is_file():
        points = _read_points(label, _load(label), "pts_3d", (68, 2))
    return _Face(_read_angles(path, content), points, box_px)
