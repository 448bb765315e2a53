"""Head geometry from MediaPipe's mesh: pose, the canonical window, 68 points, openings.

A mesh (N, 478, 3) has x right and y down in pixels, z away from the camera. The template is the mean mesh, which
`template_of` makes; its x axis runs through the outer eye corners.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

TO_CAMERA = np.array([1.0, -1.0, -1.0])
OUTER_EYES, FOREHEAD, CHIN = (33, 263), 10, 152
YAW_FACTOR, PITCH_OFFSET_DEG = 1.1, 3.0
"""The mesh turns less than the head, and its frontal face looks up: from 16 labelled faces of AFLW2000-3D."""
CROP_SIDE, WINDOW_DOWN, WINDOW_TURN = 0.1735 / 0.6875, 0.0085, 0.0385
"""The crop over the head's scale: its side, shift down, and shift towards the nose at a quarter turn. Set so
that it lies where MTCNN's crop lies: on 200 frames of YouTube Faces."""
POINTS68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Indices of the mesh's points that lie nearest to the usual 68."""
MOUTH = (
    0, 1, 2, 4, 13, 14, 17, 36, 37, 39, 40, 42, 50, 61, 78, 81, 82, 84, 87, 88, 91, 95, 145, 146, 152, 159, 164, 175,
    178, 181, 183, 185, 187, 199, 205, 206, 207, 266, 267, 269, 270, 280, 291, 308, 310, 311, 312, 314, 317, 318, 321,
    324, 374, 375, 386, 402, 405, 409, 411, 415, 425, 426, 427,
)  # fmt: skip
"""Indices of the mesh's points at the mouth, the cheeks, the nose, the chin and the eyelids, which show a smile."""


class Heads(NamedTuple):
    """What the meshes of N faces say."""

    pose_deg: np.ndarray
    """(N, 3) roll, pitch, yaw in degrees, with fabnet's signs."""
    windows: np.ndarray
    """(N, 3) centre x, centre y and side of the canonical window, in pixels."""
    points68: np.ndarray
    """(N, 68, 2) in pixels."""
    openings: np.ndarray
    """(N, 3) opening of the mouth, its width, opening of the eyes, over the face's height."""
    mouth: np.ndarray
    """(N, 3 P) points at the mouth of the head turned to the front, over its scale."""


def rotations(points: np.ndarray, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 478, 3) meshes in the camera's frame to (N, 3, 3) rotations of the template and (N,) scales (Kabsch)."""
    centred, shape = points - points.mean(axis=1, keepdims=True), template - template.mean(axis=0)
    left, _, right = np.linalg.svd(np.einsum("npi,pj->nij", centred, shape))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    turns = left @ right
    scales = (centred * np.einsum("nij,pj->npi", turns, shape)).sum(axis=(1, 2)) / np.square(shape).sum()
    return turns, scales


def template_of(meshes: np.ndarray, rounds: int = 6) -> np.ndarray:
    """The mean shape of meshes, (478, 3), of norm 1, upright and facing the camera."""
    points = meshes.astype(np.float64) * TO_CAMERA
    shape = points[0]
    for _ in range(rounds):
        turns, _ = rotations(points, shape)
        centred = points - points.mean(axis=1, keepdims=True)
        centred /= np.sqrt(np.square(centred).sum(axis=(1, 2), keepdims=True))
        shape = np.einsum("nji,npj->npi", turns, centred).mean(axis=0)
    shape = shape - shape.mean(axis=0)
    across = shape[OUTER_EYES[1]] - shape[OUTER_EYES[0]]
    across /= np.linalg.norm(across)
    up = shape[FOREHEAD] - shape[CHIN]
    up -= across * (up @ across)
    up /= np.linalg.norm(up)
    return np.asarray(shape @ np.stack([across, up, np.cross(across, up)], axis=1))


def heads(meshes: np.ndarray, template: np.ndarray, window_side: float) -> Heads:
    """Pose, window, points and openings of (N, 478, 3) meshes; the window's side is a share of the crop's."""
    turns, scales = rotations(meshes.astype(np.float64) * TO_CAMERA, template)
    yaw = -np.degrees(np.arcsin(np.clip(turns[:, 0, 2], -1, 1))) * YAW_FACTOR
    roll = np.degrees(np.arctan2(-turns[:, 0, 1], turns[:, 0, 0]))
    pitch = -np.degrees(np.arctan2(-turns[:, 1, 2], turns[:, 2, 2])) + PITCH_OFFSET_DEG
    middle = meshes[:, :, :2].mean(axis=1)
    windows = np.stack(
        [middle[:, 0] - turns[:, 0, 2] * WINDOW_TURN * scales, middle[:, 1] + WINDOW_DOWN * scales,
         CROP_SIDE * window_side * scales], axis=1,
    )  # fmt: skip
    height = scales * np.linalg.norm(template[FOREHEAD] - template[CHIN])

    def distance(one: int, other: int) -> np.ndarray:
        return np.asarray(np.linalg.norm(meshes[:, one] - meshes[:, other], axis=1) / height)

    eyes = (distance(159, 145) + distance(158, 153) + distance(386, 374) + distance(385, 380)) / 4
    openings = np.stack([distance(13, 14), distance(61, 291), eyes], axis=1)
    centred = (meshes - meshes.mean(axis=1, keepdims=True))[:, MOUTH] * TO_CAMERA
    mouth = np.einsum("nji,npj->npi", turns, centred) / scales[:, None, None]
    return Heads(
        np.stack([roll, pitch, yaw], axis=1), windows, meshes[:, POINTS68, :2].astype(np.float64), openings,
        mouth.reshape(len(mouth), -1),
    )  # fmt: skip
