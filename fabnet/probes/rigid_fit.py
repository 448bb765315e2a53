"""Head pose from 68 points: a rigid 3D shape under scaled orthography.

The shape is computed from the points themselves, by factorisation: no face model is needed. Only points that move
little with expression, and that stay at one spot of the head as it turns, are used: nose, eyes and mouth corners.

Frame: as in `fabnet.faces.pose`: x right in the image, y up, z towards the camera. N faces, P points.

Source: Tomasi, Kanade: Shape and motion from image streams under orthography, IJCV 1992; Poelman, Kanade: A
paraperspective factorization method, 1997, for scaled orthography.
"""

from __future__ import annotations

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.pose import roll_pitch_yaw

__all__ = ["RIGID", "fit_pose", "fit_shape"]

RIGID = (*range(27, 36), *range(36, 48), 48, 54)
"""Indices in the 68 points: nose, both eyes, mouth corners."""
NOSE_TIP = 30
MIN_FACES = 20


def _upright(points: np.ndarray) -> np.ndarray:
    """(N, 68, 2) pixels, y down, to the rigid points about their middle, (N, P, 2), y up."""
    rigid = points[:, RIGID] * (1, -1)
    return np.asarray(rigid - rigid.mean(axis=1, keepdims=True))


def fit_shape(points: np.ndarray) -> np.ndarray:
    """Compute the rigid shape of a set of faces.

    Args:
        points: (N, 68, 2) pixels of images, y down.

    Returns:
        (P, 3) float64 of the points `RIGID` about their mean, the outer eye corners one apart, oriented as the mean
        face, which looks into the camera on average.

    Raises:
        InputError: too few faces, or all have the same pose.
    """
    if len(points) < MIN_FACES:
        raise InputError(f"a rigid shape needs {MIN_FACES} faces or more; got {len(points)}")
    centred = _upright(points)
    centred = centred / np.sqrt(np.square(centred).sum(axis=(1, 2), keepdims=True))
    stacked = centred.transpose(0, 2, 1).reshape(2 * len(points), -1)  # rows x and y of each face
    left, sizes, right = np.linalg.svd(stacked, full_matrices=False)
    motion, shape = left[:, :3] * sizes[:3], right[:3]
    upgrade = _metric_upgrade(motion)
    shape = np.linalg.solve(upgrade, shape).T
    if _depth_of_nose(shape, motion @ upgrade) < 0:
        # Orthography cannot tell a shape from its mirror image in depth, but the nose points towards the camera.
        mirror = np.diag([1.0, 1.0, -1.0])
        upgrade, shape = upgrade @ mirror, shape @ mirror
    turn = _mean_rotation((motion @ upgrade).reshape(-1, 2, 3))
    shape = shape @ turn.T
    index = {point: number for number, point in enumerate(RIGID)}
    return np.asarray(shape / np.linalg.norm(shape[index[36]] - shape[index[45]]))


def _metric_upgrade(motion: np.ndarray) -> np.ndarray:
    """(3, 3) that makes each face's two rows orthogonal and of equal length, by least squares."""
    first, second = motion[0::2], motion[1::2]

    def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Coefficients of a' Q b, for symmetric Q, in its six entries."""
        return np.stack(
            [a[:, i] * b[:, j] + (a[:, j] * b[:, i] if i != j else 0) for i in range(3) for j in range(i, 3)], axis=1
        )

    equations = np.concatenate([products(first, first) - products(second, second), products(first, second)])
    entries = np.linalg.svd(equations)[2][-1]
    metric = np.zeros((3, 3))
    metric[np.triu_indices(3)] = entries
    metric = metric + np.triu(metric, 1).T
    values, vectors = np.linalg.eigh(metric * np.sign(np.trace(metric)))
    if values[0] < 1e-6 * values[-1]:
        raise InputError("no rigid shape fits these faces: they all have the same pose, or their points are wrong")
    return np.asarray(vectors * np.sqrt(values))


def _rotations(motion: np.ndarray) -> np.ndarray:
    """(N, 2, 3) scaled rows to the nearest rotations (N, 3, 3)."""
    left, _, right = np.linalg.svd(motion, full_matrices=False)
    rows = left @ right
    return np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)


def _mean_rotation(motion: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(_rotations(motion).mean(axis=0))
    return np.asarray(left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right)


def _depth_of_nose(shape: np.ndarray, motion: np.ndarray) -> float:
    """How far the nose tip lies in front of the points' mean, in the pose of the mean face."""
    depth = shape @ _mean_rotation(motion.reshape(-1, 2, 3))[2]
    return float(depth[RIGID.index(NOSE_TIP)])


def fit_pose(points: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the pose of a rigid shape to faces.

    Args:
        points: (N, 68, 2) pixels of images, y down.
        shape: (P, 3) from `fit_shape`.

    Returns:
        (N, 3) roll, pitch, yaw in radians, in the convention of `fabnet.faces.pose`; and (N,) the root mean square
        distance of the points from the rotated shape, over the shape's distance of the outer eye corners at that
        scale.
    """
    centred = _upright(points)
    motion = np.einsum("npi,pj->nij", centred, shape) @ np.linalg.inv(shape.T @ shape)
    rotations = _rotations(motion)
    turned = np.einsum("nij,pj->npi", rotations[:, :2], shape)
    scale = (turned * centred).sum(axis=(1, 2)) / np.square(turned).sum(axis=(1, 2))
    error = np.sqrt(np.square(centred - scale[:, None, None] * turned).sum(axis=2).mean(axis=1)) / scale
    return roll_pitch_yaw(rotations), error
