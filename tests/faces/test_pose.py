from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from fabnet.faces.pose import (
    from_aflw2000,
    from_biwi,
    geodesic_distance,
    roll_pitch_yaw,
    rotation_matrix,
    yaw_from_mtfl,
)

NOSE = np.array([0.0, 0.0, 1.0])
CROWN = np.array([0.0, 1.0, 0.0])


def turned(roll: float = 0, pitch: float = 0, yaw: float = 0) -> np.ndarray:
    return rotation_matrix(np.radians([roll, pitch, yaw]))


def test_each_angle_turns_the_head_as_the_convention_says() -> None:
    half = np.sqrt(0.5)
    np.testing.assert_allclose(turned() @ NOSE, NOSE)
    np.testing.assert_allclose(turned(yaw=45) @ NOSE, [-half, 0, half], atol=1e-12)  # to the left of the image
    np.testing.assert_allclose(turned(pitch=45) @ NOSE, [0, half, half], atol=1e-12)  # up
    np.testing.assert_allclose(turned(roll=45) @ CROWN, [-half, half, 0], atol=1e-12)  # anticlockwise
    np.testing.assert_allclose(turned(roll=45) @ NOSE, NOSE, atol=1e-12)


def test_the_roll_is_applied_first_and_the_pitch_last() -> None:
    expected = turned(pitch=20) @ turned(yaw=-50) @ turned(roll=35)
    np.testing.assert_allclose(turned(roll=35, pitch=20, yaw=-50), expected, atol=1e-12)


def test_angles_are_recovered_from_the_matrix() -> None:
    angles = np.random.default_rng(0).uniform([-3.1, -3.1, -1.5], [3.1, 3.1, 1.5], (200, 3))
    matrices = rotation_matrix(angles)
    np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), np.tile(np.eye(3), (200, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1)
    np.testing.assert_allclose(roll_pitch_yaw(matrices), angles, atol=1e-9)


@pytest.mark.parametrize("yaw", [90, -90])
def test_a_profile_is_read_without_roll_and_gives_the_same_matrix(yaw: float) -> None:
    matrix = turned(roll=30, pitch=20, yaw=yaw)
    angles = roll_pitch_yaw(matrix)
    assert angles[0] == 0
    np.testing.assert_allclose(np.degrees(angles[2]), yaw)
    np.testing.assert_allclose(rotation_matrix(angles), matrix, atol=1e-9)


def test_rotations_and_their_distances_match_scipy() -> None:
    angles = np.random.default_rng(3).uniform(-np.pi / 2, np.pi / 2, (100, 3))
    roll, pitch, yaw = angles.T
    theirs = Rotation.from_euler("XYZ", np.stack([-pitch, -yaw, roll], axis=1))
    ours = rotation_matrix(angles)
    np.testing.assert_allclose(ours, theirs.as_matrix(), atol=1e-12)
    between = (theirs[:50].inv() * theirs[50:]).magnitude()
    np.testing.assert_allclose(geodesic_distance(ours[:50], ours[50:]), between, atol=1e-9)


def test_geodesic_distance() -> None:
    np.testing.assert_allclose(geodesic_distance(turned(), turned(yaw=1e-4)), np.radians(1e-4), rtol=1e-6)
    np.testing.assert_allclose(geodesic_distance(turned(roll=10), turned(roll=-20)), np.radians(30))
    np.testing.assert_allclose(geodesic_distance(turned(), turned(roll=180)), np.pi)
    pairs = geodesic_distance(np.stack([turned(), turned(yaw=40)]), turned(pitch=40))
    by_trace = np.arccos((np.trace(turned(yaw=40).T @ turned(pitch=40)) - 1) / 2)
    np.testing.assert_allclose(pairs, [np.radians(40), by_trace])


def test_biwi_angles_are_hopenets_with_the_roll_flipped() -> None:
    down = np.diag([1.0, -1.0, -1.0])
    angles = np.random.default_rng(1).uniform(-1.2, 1.2, (50, 3))
    matrices = down @ rotation_matrix(angles) @ down
    turned_back = matrices.swapaxes(1, 2)
    roll = -np.arctan2(turned_back[:, 1, 0], turned_back[:, 0, 0])
    yaw = -np.arctan2(-turned_back[:, 2, 0], np.hypot(turned_back[:, 2, 1], turned_back[:, 2, 2]))
    pitch = np.arctan2(turned_back[:, 2, 1], turned_back[:, 2, 2])
    np.testing.assert_allclose(from_biwi(matrices), np.stack([-roll, pitch, yaw], axis=1), atol=1e-12)


def test_a_biwi_head_whose_nose_points_left_has_a_positive_yaw() -> None:
    # x right, y down, z away: the nose of the identity points to -z; turned to the left it points to -x too.
    sin, cos = np.sin(0.5), np.cos(0.5)
    matrix = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    np.testing.assert_allclose(matrix @ [0, 0, -1], [-sin, 0, -cos])
    np.testing.assert_allclose(from_biwi(matrix), [0, 0, 0.5], atol=1e-12)


def test_aflw2000_gives_roll_first_and_flips_its_sign() -> None:
    np.testing.assert_array_equal(from_aflw2000(np.array([0.1, 0.2, 0.3])), [-0.3, 0.1, 0.2])


def test_mtfls_classes_run_from_left_to_right() -> None:
    np.testing.assert_allclose(np.degrees(yaw_from_mtfl(np.array([1, 2, 3, 4, 5]))), [60, 30, 0, -30, -60])


@pytest.fixture(scope="session")
def real_faces(shared_data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Angles in degrees and (68, 3) points of real faces, x right, y up, z towards the camera."""
    faces = {}
    for path in sorted((shared_data / "aflw2000_samples").glob("*.mat")):
        content = loadmat(path)
        points = content["pt3d_68"].T.astype(np.float64) * [1, -1, 1]
        faces[path.stem] = np.degrees(from_aflw2000(content["Pose_Para"][0, :3])), points
    return faces


@pytest.mark.parametrize(
    ("name", "angle", "low", "high"),
    [
        ("image02420", 2, 60, 80),  # a man in profile, his nose to the left of the image
        ("image04331", 2, 35, 55),  # a woman in a car, looking to the left of the image
        ("image00251", 2, -65, -45),  # a woman, her nose to the right of the image
        ("image00516", 2, -45, -25),  # a woman, looking to the right of the image
        ("image00430", 1, 25, 45),  # a man seen from below, his chin raised
        ("image01038", 1, 25, 45),  # a man in a cap seen from below, his chin raised
        ("image02545", 1, -40, -20),  # a man with his chin on his chest
        ("image00050", 0, -10, -3),  # a man upright, his head a little clockwise
        ("image03614", 0, 1, 8),  # a woman whose eye line rises to the right of the image: anticlockwise
    ],
)
def test_angles_of_real_faces_match_their_look(
    real_faces: dict[str, tuple[np.ndarray, np.ndarray]], name: str, angle: int, low: float, high: float
) -> None:
    assert low < real_faces[name][0][angle] < high


def test_signs_agree_with_the_points_of_real_faces(real_faces: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for (roll, _, yaw), points in real_faces.values():
        eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
        nose = points[30, 0] - points[36:48, 0].mean()
        if abs(yaw) > 10:
            assert np.sign(nose) == -np.sign(yaw)
        elif abs(roll) > 5:
            assert np.sign(eyes[1]) == np.sign(roll)


def test_real_faces_have_one_shape_without_their_rotation(
    real_faces: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    def spread(matrices: list[np.ndarray]) -> float:
        shapes = []
        for matrix, (_, points) in zip(matrices, real_faces.values(), strict=True):
            shape = (points - points.mean(axis=0)) @ matrix
            shapes.append(shape / np.linalg.norm(shape))
        return float(np.std(shapes, axis=0).sum())

    angles = np.radians([angles for angles, _ in real_faces.values()])
    here = spread(list(rotation_matrix(angles)))
    about = [rotation_matrix(angles * np.eye(3)[axis]) for axis in range(3)]  # roll, pitch, yaw alone
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1), (2, 1, 0)]
    others = [spread(list(about[a] @ about[b] @ about[c])) for a, b, c in orders]
    others.append(spread(list(rotation_matrix(angles * [-1, 1, 1]))))
    assert here < 0.7 * min(others)


def test_mtfls_bins_agree_with_the_points_of_real_faces(shared_data: Path) -> None:
    import csv

    with (shared_data / "mtfl" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["pose5"] in "12345" and row["pose5"]]
    for pose in "1245":
        # how far the nose lies from the middle of the eyes, to the right, in eye distances
        moved = [(float(row["x3"]) - (float(row["x1"]) + float(row["x2"])) / 2) for row in rows if row["pose5"] == pose]
        assert np.sign(np.median(moved)) == -np.sign(yaw_from_mtfl(np.array(int(pose))))
