"""Face recognition by a model that the user installs, to link tracks of one person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fabnet.encoders.baselines.registry import load_baseline
from fabnet.encoders.digest import file_digest, model_digest
from fabnet.encoders.onnx_encoder import open_session, run_session
from fabnet.errors import ModelError
from fabnet.faces.landmarks import similarity_to
from fabnet.files.limits import MAX_WEIGHTS_BYTES, check_file
from fabnet.files.places import as_place, fetched

__all__ = ["RECOGNISERS", "Recogniser", "is_recogniser", "load_recogniser"]

RECOGNISERS = "dlib-identity, vgg-face:FILE or FILE.onnx"
DISTANCES = {"dlib-identity": 0.06}
"""Default distances between people. Chosen on people that no figure is measured on: experiments/link_people.py."""
SIDE = 112
POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
"""Where ArcFace's networks expect the eyes, the nose and the corners of the mouth, in a picture of 112 pixels."""


class Recogniser(NamedTuple):
    """A face-recognition model.

    Attributes:
        name: its name or file.
        digest: what identifies it.
        distance: cosine distance up to which two tracks are one person, by default; None: not measured for this model.
        embed: function from N default crops, (H, W, 3) uint8 RGB, and (N, 5, 2) points in them (eyes, nose, corners of
            the mouth) to (N, D) float32.
    """

    name: str
    digest: str
    distance: float | None
    embed: Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]


def is_recogniser(name: str | Path) -> bool:
    """Whether a name has the form of a face-recognition model's name."""
    return str(name) == "dlib-identity" or str(name).startswith("vgg-face:") or Path(name).suffix.lower() == ".onnx"


def load_recogniser(name: str | Path, *, device: str = "auto") -> Recogniser:
    """Load a face-recognition model.

    Args:
        name: "dlib-identity", "vgg-face:FILE", or an ONNX file of a network like ArcFace's: it takes faces of 112
            pixels, (N, 3, 112, 112) RGB from -1 to 1, aligned by five points, and gives (N, D) numbers.
        device: for vgg-face and ONNX files: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ModelError: the file is missing or corrupt, or takes or gives something else.
        MissingDependencyError: a package that the model needs is not installed.
    """
    if Path(name).suffix.lower() == ".onnx":
        return _onnx_recogniser(name, device)
    encoder = load_baseline(str(name), device=device)
    if encoder is None:
        raise ModelError(f"expected {RECOGNISERS}; got {name}")

    def embed(crops: Sequence[np.ndarray], points: np.ndarray) -> np.ndarray:
        return encoder.embed(crops)

    return Recogniser(str(name), model_digest(str(name)), DISTANCES.get(str(name)), embed)


def _onnx_recogniser(name: str | Path, device: str) -> Recogniser:
    file = fetched(as_place(name))
    if not file.is_file():
        raise ModelError(f"there is no file {name}; expected the ONNX file of a face-recognition network")
    check_file(file, MAX_WEIGHTS_BYTES)
    session = open_session(file, device=device)
    takes = [list(each.shape) for each in session.get_inputs()]
    gives = [list(each.shape) for each in session.get_outputs()]
    if len(takes) != 1 or takes[0][1:] != [3, SIDE, SIDE] or len(gives) != 1 or len(gives[0]) != 2:
        raise ModelError(f"{name} takes {takes} and gives {gives}; expected [N, 3, {SIDE}, {SIDE}] and [N, D]")
    is_single = takes[0][0] == 1  # many such files take one face at a time
    own = session.get_inputs()[0].name

    def embed(crops: Sequence[np.ndarray], points: np.ndarray) -> np.ndarray:
        faces = np.array([_aligned(crop, five) for crop, five in zip(crops, points, strict=True)], np.float32)
        images = np.ascontiguousarray(faces.transpose(0, 3, 1, 2)) / 127.5 - 1
        batches = np.split(images, len(images)) if is_single else [images]
        return np.concatenate([run_session(file, session, {own: np.asarray(batch, np.float32)}) for batch in batches])

    embed([np.full((SIDE, SIDE, 3), 128, np.uint8)], POINTS[None])
    return Recogniser(str(name), file_digest(file), None, embed)


def _aligned(crop: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(112, 112, 3) face, turned, scaled and moved so that its points are where the network expects them."""
    return np.asarray(cv2.warpAffine(crop, similarity_to(POINTS, points), (SIDE, SIDE), flags=cv2.INTER_LINEAR))
