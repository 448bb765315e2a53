"""Head pose: one convention, and conversions from those of the datasets.

Convention: docs/conventions.md. Angles are radians here, in the order roll, pitch, yaw:

- yaw > 0: the nose turns to the left of the image (to the person's right);
- pitch > 0: the chin rises;
- roll > 0: the head turns anticlockwise in the image.

Frame: x right in the image, y up, z towards the camera. A rotation matrix maps a point of the head to the camera's
frame; the head's axes are the camera's when the face looks straight into it. R = Rx(-pitch) Ry(-yaw) Rz(roll), so the
roll is about the nose's own axis and is applied first.

Source: AFLW's roll, pitch, yaw (Koestinger et al., ICCV workshops 2011). The order of the axes is that of 300W-LP and
AFLW2000-3D (Zhu et al., CVPR 2016); the order of AFLW's own labels is not documented.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "ANGLES",
    "from_aflw2000",
    "from_biwi",
    "geodesic_distance",
    "head_axes",
    "roll_pitch_yaw",
    "rotation_matrix",
    "yaw_from_mtfl",
]

ANGLES = ("roll", "pitch", "yaw")
"""Order of the angles in every array."""
UP_FROM_DOWN = np.diag([1.0, -1.0, -1.0])
"""Converts x right, y down, z away from the camera to this module's frame: half a turn about x."""
MTFL_YAWS_DEG = (60.0, 30.0, 0.0, -30.0, -60.0)
LOCKED = 1e-6


def rotation_matrix(angles: np.ndarray) -> np.ndarray:
    """Build the rotation matrix of a head pose.

    Args:
        angles: (..., 3) roll, pitch, yaw in radians.

    Returns:
        (..., 3, 3) head to camera; x right, y up, z towards the camera.
    """
    roll, pitch, yaw = np.moveaxis(np.asarray(angles, np.float64), -1, 0)
    zero, one = np.zeros_like(roll), np.ones_like(roll)
    sin, cos = np.sin(-pitch), np.cos(-pitch)
    about_x = _stack([[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]])
    sin, cos = np.sin(-yaw), np.cos(-yaw)
    about_y = _stack([[cos, zero, sin], [zero, one, zero], [-sin, zero, cos]])
    sin, cos = np.sin(roll), np.cos(roll)
    about_z = _stack([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]])
    rotation: np.ndarray = about_x @ about_y @ about_z
    return rotation


def head_axes(angles: np.ndarray) -> np.ndarray:
    """Where the axes of a head point in an image.

    Args:
        angles: (3,) roll, pitch, yaw in radians.

    Returns:
        (3, 3) rows: the head's x, y and z axis; columns: right and down in the image, and towards the camera.
    """
    return np.asarray(rotation_matrix(angles).T * (1, -1, 1))


def _stack(rows: list[list[np.ndarray]]) -> np.ndarray:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def roll_pitch_yaw(matrices: np.ndarray) -> np.ndarray:
    """Read the angles of rotation matrices: the inverse of `rotation_matrix`.

    Args:
        matrices: (..., 3, 3) head to camera.

    Returns:
        (..., 3) roll, pitch, yaw in radians, yaw within a quarter turn. At a yaw of a quarter turn, roll and pitch
        share an axis: the roll is set to 0.
    """
    matrices = np.asarray(matrices, np.float64)
    across = np.hypot(matrices[..., 0, 0], matrices[..., 0, 1])
    is_locked = across < LOCKED
    yaw = -np.arctan2(matrices[..., 0, 2], across)
    pitch = np.where(
        is_locked,
        -np.arctan2(matrices[..., 2, 1], matrices[..., 1, 1]),
        np.arctan2(matrices[..., 1, 2], matrices[..., 2, 2]),
    )
    roll = np.where(is_locked, 0.0, np.arctan2(-matrices[..., 0, 1], matrices[..., 0, 0]))
    return np.stack([roll, pitch, yaw], axis=-1)


def geodesic_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle of the rotation from one pose to another, about any axis.

    Args:
        first: (..., 3, 3) rotations.
        second: (..., 3, 3) rotations.

    Returns:
        (...) radians, 0 to pi.
    """
    chord = np.linalg.norm(np.asarray(first) - np.asarray(second), axis=(-2, -1))
    return np.asarray(2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1)))


def from_aflw2000(pitch_yaw_roll: np.ndarray) -> np.ndarray:
    """Convert angles of 300W-LP and AFLW2000-3D, whose roll is clockwise in the image.

    Args:
        pitch_yaw_roll: (..., 3) `Pose_Para[0, :3]` in radians.

    Returns:
        (..., 3) roll, pitch, yaw in radians.
    """
    pitch, yaw, roll = np.moveaxis(np.asarray(pitch_yaw_roll, np.float64), -1, 0)
    return np.stack([-roll, pitch, yaw], axis=-1)


def from_biwi(matrices: np.ndarray) -> np.ndarray:
    """Convert rotations of the Biwi Kinect Head Pose Database (x right, y down, z away from the camera).

    Args:
        matrices: (..., 3, 3) as in its pose files; the identity looks into the camera.

    Returns:
        (..., 3) roll, pitch, yaw in radians.

    Source:
        The angles equal those of Hopenet's reader (Ruiz et al., CVPR workshops 2018) with the sign of the roll flipped.
    """
    return roll_pitch_yaw(UP_FROM_DOWN @ np.asarray(matrices, np.float64) @ UP_FROM_DOWN)


def yaw_from_mtfl(pose5: np.ndarray) -> np.ndarray:
    """Nominal yaw of MTFL's five pose classes.

    Args:
        pose5: integers, 1 (left profile: the nose to the image's left) to 5 (right profile).

    Returns:
        60, 30, 0, -30 or -60 degrees in radians, same shape.

    Source:
        Zhang et al., ECCV 2014, for the angles.
    """
    return np.asarray(np.radians(np.array(MTFL_YAWS_DEG)[np.asarray(pose5, np.int64) - 1]))
