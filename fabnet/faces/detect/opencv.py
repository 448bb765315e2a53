"""YuNet, through OpenCV's FaceDetectorYN and the user's model file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fabnet.errors import InputError
from fabnet.faces.detect.detection import Detection, SmallestFace
from fabnet.faces.detect.pyramid import shrunk
from fabnet.faces.detect.tiles import in_tiles
from fabnet.files.limits import MAX_WEIGHTS_BYTES, check_file

__all__ = ["OpencvYunet"]

SEARCHED_FACE_PX = 24.0
TILE_PX, OVERLAP_PX = 1280, 320
"""Side of a tile and overlap: the network finds faces of 24 to 300 px; larger ones are found in the halved image."""
MIN_SCORE = 0.7


class OpencvYunet:
    """OpenCV's YuNet face detector.

    Args:
        model: the network's file, e.g. OpenCV Zoo's face_detection_yunet_2023mar.onnx.
        smallest: size of the smallest face looked for.

    Raises:
        InputError: the file is missing or OpenCV cannot read it.
    """

    def __init__(self, model: Path, *, smallest: SmallestFace | None = None) -> None:
        if not model.exists():
            raise InputError(f"no such detector file: {model}; give yunet: followed by the path of YuNet's .onnx file")
        check_file(model, MAX_WEIGHTS_BYTES)
        self._model, self._smallest = model, smallest or SmallestFace()
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), MIN_SCORE)
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"OpenCV cannot read {model} as a YuNet face detector: {reason}") from error

    def __reduce__(self) -> tuple[Callable[[], OpencvYunet], tuple[()]]:
        return partial(OpencvYunet, self._model, smallest=self._smallest), ()

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""
        small, to_image = shrunk(image, max(1.0, self.smallest_px(*image.shape[:2]) / SEARCHED_FACE_PX))
        found = in_tiles(self._find, small, tile_px=TILE_PX, overlap_px=OVERLAP_PX)
        faces = [face.scaled(to_image) for face in found]
        return sorted(faces, key=lambda face: -face.score)

    def smallest_px(self, height: int, width: int) -> float:
        """See `NamedDetector.smallest_px`."""
        return self._smallest.of(height, width)

    def _find(self, image: np.ndarray) -> list[Detection]:
        self._network.setInputSize(image.shape[1::-1])
        rows = self._network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        return [_detection(row) for row in (rows if rows is not None else ())]


def _detection(row: np.ndarray) -> Detection:
    """Convert a row x, y, w, h, 5 x (x, y), score; its first point is the person's right eye, on the image's left."""
    corners = np.concatenate([row[:2], row[:2] + row[2:4]]).astype(np.float32)
    points = row[4:14].reshape(5, 2).astype(np.float32)
    return Detection(corners, points, float(row[14]))
