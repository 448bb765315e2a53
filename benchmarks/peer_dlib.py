"""dlib's 68 points as a worker of `peers.py`, which starts it with a Python that has dlib, opencv and
face_recognition_models.

The faces are found by dlib's frontal detector (HOG) in every frame. It answers as `peer_mediapipe.py` does, with 68
points.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np

SIDE_PX = 320
"""Minimum length of a picture's shorter side."""


def video(path: str) -> dict[str, float]:
    """Find the face of every frame, and its points."""
    frames, found, began = 0, 0, time.process_time()
    capture = cv2.VideoCapture(path)
    while True:
        is_good, image = capture.read()
        if not is_good:
            return {"frames": frames, "found": found, "cpu_s": time.process_time() - began}
        frames += 1
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        boxes = detector(grey, 0)
        if boxes:
            found += 1
            points68(grey, max(boxes, key=lambda box: box.area()))


def picture(path: str) -> list[list[list[float]]]:
    """The points of every face; the detector doubles the picture to find smaller faces."""
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    assert image is not None, path
    scale = max(1.0, SIDE_PX / min(image.shape))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return [((points68(image, box) + 0.5) / scale).tolist() for box in detector(image, 1)]


def points68(grey: np.ndarray, box: Any) -> np.ndarray:
    """(68, 2) in pixels, whose centres are at integers."""
    return np.array([(point.x, point.y) for point in shape(grey, box).parts()], float)


cv2.setNumThreads(1)
spec = importlib.util.find_spec("face_recognition_models")  # its import needs setuptools' pkg_resources
assert spec is not None
assert spec.submodule_search_locations is not None
weights = Path(spec.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"
detector, shape = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(weights))
print(dlib.__version__, flush=True)
for line in sys.stdin:
    kind, _, where = line.rstrip("\n").partition(" ")
    print(json.dumps(video(where) if kind == "video" else picture(where)), flush=True)
