"""dlib's face recognition network: 128 numbers, trained with identity labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from fabnet.encoders.baselines.card import SMALL_WINDOW, baseline_card
from fabnet.encoders.embedder import Embedder
from fabnet.errors import ModelError
from fabnet.faces.window import Window
from fabnet.runtime.packages import package_folder

__all__ = ["FACE_CENTRE", "FACE_SIDE", "face_rectangle", "load_dlib_identity", "load_dlib_model"]

INSTALL = "pip install 'fabnet[dlib]'"
SIZE = 176
"""Pixels of the window in a stored crop of 256, at their original size."""
CHIP_SIZE, CHIP_PADDING = 150, 0.25
FACE_CENTRE = (0.5, 0.465)
"""Centre of dlib's own face detection in this package's default crop, in fractions of the crop's side: the mean over
145 frames of YouTube Faces, to 0.01. (The box that the crop was made from is centred at 0.42 and includes more of the
forehead.)"""
FACE_SIDE = 0.53


def face_rectangle(size: int, window: Window | None = None) -> Any:
    """Square of the face in a default crop, as dlib's detector would find it.

    Args:
        size: side of the picture in pixels.
        window: the part of the crop that the picture shows; None: all of it.

    Returns:
        A `dlib.rectangle` in the picture's pixels.
    """
    import dlib

    window = window or Window(0.5, 0.5, 1.0)
    centre_x = ((FACE_CENTRE[0] - window.centre_x) / window.side + 0.5) * size
    centre_y = ((FACE_CENTRE[1] - window.centre_y) / window.side + 0.5) * size
    half = FACE_SIDE / window.side * size / 2
    return dlib.rectangle(
        round(centre_x - half), round(centre_y - half), round(centre_x + half) - 1, round(centre_y + half) - 1
    )


def load_dlib_model(kind: str, file: str, *, needed_by: str) -> Any:
    """Load one of dlib's models from the package face_recognition_models, without importing that package.

    Args:
        kind: the dlib class that reads it.
        file: its name in the package's folder `models`.
        needed_by: the feature that needs it, for the message.

    Raises:
        MissingDependencyError: dlib or the weights are not installed.
        ModelError: the weights are missing from the package, or corrupt.
    """
    package_folder("dlib", needed_by=needed_by, install=INSTALL)
    folder = package_folder("face_recognition_models", needed_by=needed_by, install=INSTALL)
    import dlib

    try:
        return getattr(dlib, kind)(str(folder / "models" / file))
    except RuntimeError as error:
        raise ModelError(f"{folder / 'models' / file} cannot be loaded: {error}; reinstall it: {INSTALL}") from None


def load_dlib_identity() -> Embedder:
    """Load dlib's 29-layer ResNet, trained on three million labelled faces (`dlib_face_recognition_resnet_model_v1`).

    It sees the preset small's window like the others, finds five points in it (in a fixed rectangle, without a
    detector), and aligns and crops the face by them to 150 px. This is its published use, but it discards the face's
    position, size and roll in the crop, so probes of landmarks or roll have little information.

    Raises:
        MissingDependencyError: dlib or its weights are not installed.
        ModelError: the weights cannot be read.
    """
    name = "dlib-identity"
    points = load_dlib_model("shape_predictor", "shape_predictor_5_face_landmarks.dat", needed_by=name)
    network = load_dlib_model("face_recognition_model_v1", "dlib_face_recognition_resnet_model_v1.dat", needed_by=name)
    import dlib

    rectangle = face_rectangle(SIZE, Window(*SMALL_WINDOW))

    def encode(images: np.ndarray) -> np.ndarray:
        crops = np.ascontiguousarray(np.rint(images.transpose(0, 2, 3, 1) * 255).astype(np.uint8))
        chips = [dlib.get_face_chip(crop, points(crop, rectangle), CHIP_SIZE, CHIP_PADDING) for crop in crops]
        return np.array(network.compute_face_descriptor(chips), dtype=np.float32)

    card = baseline_card(name, SIZE, 128, trained_with="identities, 3 million faces")
    return Embedder(card, encode, "dlib")
