"""Pose from points: on points with known rotations and on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.faces.pose import geodesic_distance, rotation_matrix
from fabnet.probes.protocols.youtube_faces import read
from fabnet.probes.rigid_fit import NOSE_TIP, RIGID, fit_pose, fit_shape


def solid() -> np.ndarray:
    """(68, 3) a solid face: eyes, mouth and brows on a plane, the nose in front of it."""
    generator = np.random.default_rng(0)
    shape = np.column_stack([generator.uniform(-1, 1, (68, 2)), generator.normal(0, 0.05, 68)])
    shape[36], shape[45], shape[48], shape[54] = (-1, 0.5, -0.1), (1, 0.5, -0.1), (-0.5, -1, 0), (0.5, -1, 0)
    shape[27:36, 2] += np.linspace(0.2, 0.8, 9)
    return shape


def seen(angles: np.ndarray, seed: int = 1) -> np.ndarray:
    """(N, 68, 2) pixels, y down, of the solid rotated by (N, 3) radians, at random positions and sizes."""
    generator = np.random.default_rng(seed)
    turned = np.einsum("nij,pj->npi", rotation_matrix(angles)[:, :2], solid())
    size = generator.uniform(20, 90, (len(angles), 1, 1))
    return np.asarray(size * turned * (1, -1) + generator.uniform(50, 200, (len(angles), 1, 2)))


def turns(count: int = 60) -> np.ndarray:
    """Symmetric angles, left and right, up and down: the faces look into the camera on average."""
    half = np.random.default_rng(2).normal(0, 0.4, (count // 2, 3)).clip(-0.9, 0.9)
    return np.concatenate([half, -half])


def test_rotations_are_recovered() -> None:
    angles = turns()
    points = seen(angles)
    found, error = fit_pose(points, fit_shape(points))
    assert error.max() < 1e-6
    true, made = rotation_matrix(angles), rotation_matrix(found)
    # The mean face defines frontal, so rotations between faces are exact and single ones nearly so.
    between = [each[1:] @ each[:-1].transpose(0, 2, 1) for each in (made, true)]
    assert np.degrees(geodesic_distance(*between)).max() < 0.01
    single = np.degrees(geodesic_distance(made, true))
    assert single.max() < 4
    assert np.corrcoef(found[:, 2], angles[:, 2])[0, 1] > 0.99


def test_the_nose_is_in_front_and_the_eyes_are_one_apart() -> None:
    shape = fit_shape(seen(turns()))
    place = {point: i for i, point in enumerate(RIGID)}
    assert shape[place[NOSE_TIP], 2] > shape[place[36], 2] + 0.1
    assert np.linalg.norm(shape[place[36]] - shape[place[45]]) == pytest.approx(1)


def test_noise_shows_in_the_error() -> None:
    angles = turns()
    points = seen(angles)
    shape = fit_shape(points)
    eyes = np.linalg.norm(points[:, 36] - points[:, 45], axis=1)[:, None, None]
    noisy = points + 0.02 * eyes * np.random.default_rng(3).normal(size=points.shape)
    _, error = fit_pose(noisy, shape)
    assert 0.01 < error.mean() < 0.05


def test_faces_of_one_pose_give_no_shape() -> None:
    with pytest.raises(InputError, match="same pose"):
        fit_shape(seen(np.tile([0.1, 0.0, 0.0], (30, 1)) + np.arange(30)[:, None] * [0.01, 0, 0]))
    with pytest.raises(InputError, match="needs 20 faces or more; got 5"):
        fit_shape(seen(turns(10)[:5]))


def test_on_real_faces_the_fit_is_close_and_yaw_follows_the_nose(shared_data: Path) -> None:
    benchmark = read(shared_data / "youtube_faces")
    points = benchmark.tasks[0].targets.reshape(-1, 68, 2)
    angles, error = fit_pose(points, fit_shape(points[benchmark.split == "train"]))
    assert error.mean() < 0.04
    across = points[:, 45] - points[:, 36]
    middle = (points[:, 45] + points[:, 36]) / 2
    place = ((points[:, NOSE_TIP] - middle) * across).sum(axis=1) / np.square(across).sum(axis=1)
    assert np.corrcoef(place, angles[:, 2])[0, 1] < -0.9  # yaw > 0: the nose to the image's left
    np.testing.assert_allclose(np.radians(benchmark.tasks[1].targets), angles)
