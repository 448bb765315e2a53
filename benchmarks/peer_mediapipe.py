"""MediaPipe's face mesh as a worker of `peers.py`, which starts it with a Python that has mediapipe and opencv.

Prints its version, then answers every line of its input with a line of JSON:

- `video PATH`: {"frames", "found", "cpu_s"}: frames decoded, frames with a face, processor time in seconds.
- `picture PATH`: the faces of a picture, each 478 points (x, y) in pixels, where pixel centres are at integers + 0.5.
  Small pictures are enlarged first.
"""

import json
import os
import sys
import time

os.environ["GLOG_minloglevel"] = "3"  # noqa: SIM112 - the name that glog reads

import cv2
import mediapipe  # type: ignore[import-not-found]

SIDE_PX = 320
"""Minimum length of a picture's shorter side."""


def video(path: str) -> dict[str, float]:
    """Follow the face of a video."""
    frames, found, began = 0, 0, time.process_time()
    capture = cv2.VideoCapture(path)
    with mesh.FaceMesh(static_image_mode=False, max_num_faces=1) as faces:
        while True:
            is_good, image = capture.read()
            if not is_good:
                return {"frames": frames, "found": found, "cpu_s": time.process_time() - began}
            frames += 1
            found += faces.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks is not None


def picture(path: str) -> list[list[list[float]]]:
    """The points of every face."""
    image = cv2.imread(path)
    assert image is not None, path
    height, width = image.shape[:2]
    scale = max(1.0, SIDE_PX / min(height, width))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    found = still.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks or []
    return [[[point.x * width, point.y * height] for point in face.landmark] for face in found]


cv2.setNumThreads(1)
mesh = mediapipe.solutions.face_mesh
still = mesh.FaceMesh(static_image_mode=True, max_num_faces=4, refine_landmarks=True)
print(mediapipe.__version__, flush=True)
for line in sys.stdin:
    kind, _, where = line.rstrip("\n").partition(" ")
    print(json.dumps(video(where) if kind == "video" else picture(where)), flush=True)
