"""Faces as they were embedded, and how readings in windows that are turned lie in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fabnet.faces.pose import roll_pitch_yaw, rotation_matrix

__all__ = ["EncodedFaces", "in_camera", "in_picture", "points_px"]


class EncodedFaces(NamedTuple):
    """N faces: their embeddings, and the windows that were embedded.

    Attributes:
        embeddings: (N, D) float32.
        boxes_px: (N, 4) float32 x0, y0, x1, y1 of the windows in the picture, before they are turned.
        turns_deg: (N,) float32: each window is turned about its middle by this angle, anticlockwise in the picture.
        brightness: (N,) float32 mean of the window's grey levels, in [0, 1].
        contrast: (N,) float32 standard deviation of the window's grey levels, in [0, 1].
        detail: (N,) float32, how fine the window's detail is: see `fabnet.faces.quality.detail_of`.
        shown_px: (N, 4) float32 x0, y0, x1, y1 of what the picture, or the crop that was looked at, shows.
    """

    embeddings: np.ndarray
    boxes_px: np.ndarray
    turns_deg: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    detail: np.ndarray
    shown_px: np.ndarray

    def at(self, indices: np.ndarray | slice) -> EncodedFaces:
        """The faces at these indices."""
        return EncodedFaces(*(part[indices] for part in self))

    @staticmethod
    def joined(several: Sequence[EncodedFaces]) -> EncodedFaces:
        """The faces of several, one after the other."""
        return EncodedFaces(*(np.concatenate(parts) for parts in zip(*several, strict=True)))


def in_picture(vectors: np.ndarray, turns_deg: np.ndarray) -> np.ndarray:
    """Vectors in turned windows as vectors in the picture.

    Args:
        vectors: (N, ..., 2) right and down.
        turns_deg: (N,) how far the windows are turned.
    """
    angles = np.radians(turns_deg).reshape(-1, *(1,) * (vectors.ndim - 2))
    sin, cos, right, down = np.sin(angles), np.cos(angles), vectors[..., 0], vectors[..., 1]
    return np.stack([cos * right + sin * down, cos * down - sin * right], axis=-1)


def points_px(points: np.ndarray, seen: EncodedFaces) -> np.ndarray:
    """(N, P, 2) points from the middles of windows, in half sides of them, to (N, P, 2) float32 in the picture."""
    half = (seen.boxes_px[:, 2] - seen.boxes_px[:, 0]) / 2
    middle = (seen.boxes_px[:, :2] + seen.boxes_px[:, 2:]) / 2
    return np.asarray(in_picture(points, seen.turns_deg) * half[:, None, None] + middle[:, None], np.float32)


def in_camera(pose_deg: np.ndarray, turns_deg: np.ndarray) -> np.ndarray:
    """(3, N) roll, pitch and yaw in turned windows to those in the picture; only turned ones are computed anew."""
    made, turned = np.array(pose_deg), np.flatnonzero(turns_deg)
    turns = rotation_matrix(np.radians([[turn, 0, 0] for turn in turns_deg[turned]]).reshape(-1, 3))
    inside = rotation_matrix(np.radians(pose_deg[:, turned].T))
    made[:, turned] = np.degrees(roll_pitch_yaw(turns @ inside)).T
    return made
