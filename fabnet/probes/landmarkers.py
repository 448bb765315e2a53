"""Landmark predictors of other tools on the same face crops, for comparison.

dlib: the 68-point shape predictor of the package face_recognition_models. It was trained on 300-W (whose licence
excludes commercial use), so its scores on 300-W are too good.

mediapipe: the face mesh of MediaPipe (468 points, of which the usual map selects 68; jaw points lie on the mesh's
silhouette, not where people click). Only the model file in the wheels up to 0.10.21 is used, through OpenCV: later
wheels contain no models. MediaPipe itself need not be importable, so `pip install --no-deps mediapipe==0.10.21` is
enough and does not change NumPy.

OpenFace and py-feat download their weights on first use, outside any package, so they do not run from an install alone
and are not supported here.

Convention: points (N, 68, 2) x, y in pixels of the crop, in iBUG's order, pixel centres at integers + 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from fabnet.encoders.baselines.dlib_identity import face_rectangle, load_dlib_model
from fabnet.errors import InputError, ModelError, first_line
from fabnet.faces.landmarks import five_of_68
from fabnet.runtime.packages import package_folder

__all__ = ["LANDMARKERS", "MESH_OF_68", "POINTS_FROM_68", "Landmarker", "load_landmarker"]

Landmarker = Callable[[Sequence[np.ndarray]], np.ndarray]

MESH_OF_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,  # mouth
)  # fmt: skip
"""MediaPipe's point for each of the 68 points."""
MESH_FILE = "modules/face_landmark/face_landmark.tflite"
MESH_SIZE = 192
MESH_MARGIN = 1.5
"""Side of the mesh's input over that of the points' box, as in MediaPipe's own tracking loop."""
MESH_START = (0.5, 0.47, 0.8)
"""Centre and side of the first pass, in shares of a default crop's side."""
OUTER_EYES = (33, 263)


def load_landmarker(tool: str) -> Landmarker:
    """Load a landmark predictor of another tool.

    Args:
        tool: one of `LANDMARKERS`.

    Returns:
        A function from N square face crops with this package's default specification, (H, W, 3) uint8 RGB, to
        (N, 68, 2) float64 points in pixels of each crop.

    Raises:
        InputError: unknown tool.
        MissingDependencyError: the tool is not installed.
        ModelError: its model cannot be read.
    """
    if tool not in LANDMARKERS:
        raise InputError(f"no landmark tool is called {tool!r}; expected {' or '.join(LANDMARKERS)}")
    return LANDMARKERS[tool]()


POINTS_FROM_68: dict[int, Callable[[np.ndarray], np.ndarray]] = {5: five_of_68, 68: lambda points: points}
"""The points of a task from (N, 68, 2) points, by the task's number of points."""


def _dlib_landmarker() -> Landmarker:
    predictor = load_dlib_model("shape_predictor", "shape_predictor_68_face_landmarks.dat", needed_by="dlib's points")

    def predict(images: Sequence[np.ndarray]) -> np.ndarray:
        points = np.empty((len(images), 68, 2))
        for i, image in enumerate(images):
            found = predictor(np.ascontiguousarray(image), face_rectangle(image.shape[0]))
            points[i] = [(point.x, point.y) for point in found.parts()]
        return points + 0.5  # dlib counts pixel centres from 0

    return predict


def _mediapipe_landmarker() -> Landmarker:
    install = "pip install --no-deps mediapipe==0.10.21"
    file = package_folder("mediapipe", needed_by="the face mesh", install=install) / MESH_FILE
    if not file.is_file():
        raise ModelError(
            f"this version of mediapipe contains no {MESH_FILE}; install the last one that does: {install}"
        )
    try:
        network = cv2.dnn.readNetFromTFLite(str(file))
    except cv2.error as error:
        raise ModelError(f"OpenCV cannot read {file}: {first_line(error)}") from None

    def predict(images: Sequence[np.ndarray]) -> np.ndarray:
        points = np.empty((len(images), 68, 2))
        for i, image in enumerate(images):
            x, y, side = (share * image.shape[0] for share in MESH_START)
            mesh = _mesh(network, image, x, y, side, 0.0)
            mesh = _mesh(network, image, *_region(mesh))
            points[i] = mesh[list(MESH_OF_68)]
        return points

    return predict


def _region(mesh: np.ndarray) -> tuple[float, float, float, float]:
    """Centre x, y, side (pixels) and roll (radians) of the next pass: eyes level, the points' box widened."""
    x, y = mesh[OUTER_EYES[1]] - mesh[OUTER_EYES[0]]
    roll = float(np.arctan2(y, x))
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    level = mesh @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    centre = turn @ ((low + high) / 2)
    return float(centre[0]), float(centre[1]), MESH_MARGIN * float((high - low).max()), roll


def _mesh(network: Any, image: np.ndarray, x: float, y: float, side: float, roll: float) -> np.ndarray:
    """(468, 2) points in the image's pixels, from the rotated square about (x, y)."""
    scale = side / MESH_SIZE
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]) * scale
    shift = np.array([x, y]) - turn @ np.full(2, MESH_SIZE / 2)  # for pixel edges
    matrix = np.column_stack([turn, shift + turn @ np.full(2, 0.5) - 0.5])  # for pixel centres, counted from 0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, matrix, (MESH_SIZE, MESH_SIZE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    network.setInput(cv2.dnn.blobFromImage(cut.astype(np.float32) / 255))
    mesh = np.asarray(network.forward(), dtype=np.float64).reshape(468, 3)[:, :2]
    return np.asarray(mesh @ turn.T + shift)


LANDMARKERS: dict[str, Callable[[], Landmarker]] = {"dlib": _dlib_landmarker, "mediapipe": _mediapipe_landmarker}
"""The tools by name."""
