"""YuNet, through OpenCV's FaceDetectorYN and a model file of the user's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fabnet.errors import InputError
from fabnet.limits import MAX_WEIGHTS_BYTES, check_file
from fabnet.video.detect.detection import Detection, smallest_face_px

__all__ = ["Yunet"]

SEARCHED_FACE_PX = 24.0
MIN_SCORE = 0.7


class Yunet:
    """OpenCV's YuNet face detector.

    Args:
        model: the network's file, e.g. OpenCV Zoo's face_detection_yunet_2023mar.onnx.
        min_face_px: side of the smallest face looked for, in pixels of the images given; None: see `load_detector`.

    Raises:
        InputError: the file is missing or OpenCV cannot read it.
    """

    def __init__(self, model: Path, *, min_face_px: float | None = None) -> None:
        if not model.exists():
            raise InputError(f"no such detector file: {model}; give yunet: followed by the path of YuNet's .onnx file")
        check_file(model, MAX_WEIGHTS_BYTES)
        self._min_face_px = min_face_px
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), MIN_SCORE)
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"OpenCV cannot read {model} as a YuNet face detector: {reason}") from error

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an (H, W, 3) uint8 RGB image, best score first."""
        height, width = image.shape[:2]
        shrink = max(1.0, smallest_face_px(height, width, self._min_face_px) / SEARCHED_FACE_PX)
        size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        self._network.setInputSize(size)
        rows = self._network.detect(small)[1]
        to_image = np.array([width / size[0], height / size[1]], np.float32)
        faces = [_detection(row, to_image) for row in (rows if rows is not None else ())]
        return sorted(faces, key=lambda face: -face.score)


def _detection(row: np.ndarray, to_image: np.ndarray) -> Detection:
    """A row x, y, w, h, 5 x (x, y), score; its points start with the person's right eye, on the image's left."""
    corners = np.concatenate([row[:2], row[:2] + row[2:4]]).astype(np.float32)
    points = row[4:14].reshape(5, 2).astype(np.float32)
    return Detection(corners * np.tile(to_image, 2), points * to_image, float(row[14]))
