"""How well heads that lean to a side are read: pictures of people held out, turned by known angles.

The labels are those of MediaPipe's mesh, turned with the picture. The first window of each face lies beside its
canonical one, as a detector's does. Figures are given for `read`'s windows and for windows that are never turned, and
so is how often YuNet finds the face.

Run: python experiments/reader/leaning.py MODEL --data DATA --work WORK --out leaning.json
"""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
from faces import Pictures, arguments, read_faces, read_template
from geometry import Heads, heads
from judge import mean_interval
from looks import boxes_of, turned

from fabnet.encoders import face_reader
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.faces.detect.detection import Detection
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.reading import canonical
from fabnet.reading.canonical import Eyes

SETS, MOST = ("youtube_faces", "clips", "mtfl"), 150
ANGLES_DEG = (0, 15, 30, 45, 60, 90, 135, 180)
NEAR, SCALE = 0.05, 0.1
"""Standard deviations of a first window's shift, in its sides, and of the logarithm of its scale."""
POINTS, ROLL, PITCH, YAW = "points, share of the eyes' distance", "roll, mean error in degrees", "pitch", "yaw"
IN_RANGE, IN_RANGE_AND_FAR = "in range", "in range and points off by more than a fifth"
NAMES = (POINTS, ROLL, PITCH, YAW, IN_RANGE, IN_RANGE_AND_FAR)
FAR = 0.2


def figures_of(
    eyes: Eyes, images: list[np.ndarray], windows: np.ndarray, truth: Heads, people: np.ndarray
) -> dict[str, Any]:
    """Figures of faces that lie near these windows."""
    read = [eyes.reader.columns(eyes.find([image], box[None]).seen) for image, box in zip(images, windows, strict=True)]
    points = np.stack([each["landmarks68_px"][0].reshape(68, 2) for each in read])
    eye = np.linalg.norm(truth.points68[:, 36] - truth.points68[:, 45], axis=1)
    off = np.linalg.norm(points - truth.points68, axis=2).mean(axis=1) / eye
    pose = np.stack([[each[f"pose_{name}_deg"][0] for name in ("roll", "pitch", "yaw")] for each in read])
    wrong = np.abs((pose - truth.pose_deg + 180) % 360 - 180)
    is_in = np.array([each["in_range"][0] for each in read])
    values = (off, *wrong.T, is_in, is_in & (off > FAR))
    return {name: mean_interval(people, np.asarray(each, float)) for name, each in zip(NAMES, values, strict=True)}


def holds(found: list[Detection], x: float, y: float) -> bool:
    """Whether a found box holds a point."""
    return any(bool((face.box_px[:2] <= (x, y)).all() and (face.box_px[2:] >= (x, y)).all()) for face in found)


def main() -> None:
    """Measure, and write the figures."""
    options = arguments(__doc__, "out")
    cv2.setNumThreads(1)
    encoder = load_for_reading(options.model)
    eyes, share = Eyes(encoder, encoder.required_reader()), encoder.card.window[2]
    template, detector = read_template(options.work), load_photo_detector(any_way_up=False)
    kept = face_reader.MAX_ROLL_DEG, canonical.SURE
    figures: dict[str, Any] = {}
    for name in SETS:
        faces, read = read_faces(name, options.data, options.work, share), Pictures(name, options.data, options.work)
        content = np.load(options.work / f"mesh-{name}.npz")["points"]
        found = content[np.isfinite(content[:, 0, 0])]
        rng = np.random.default_rng(0)
        places = rng.choice(np.flatnonzero(~faces.is_train), MOST, replace=False)
        sides = rng.choice([-1, 1], MOST)
        for angle in ANGLES_DEG:
            images, windows, meshes = [], [], []
            for place, side in zip(places, sides, strict=True):
                x, y, width = faces.heads.windows[place]
                images.append(turned(read(str(faces.names[place])), x, y, float(side * angle)))
                turn = cv2.getRotationMatrix2D((x, y), float(side * angle), 1.0)
                mesh = found[place].copy()
                mesh[:, :2] = mesh[:, :2] @ turn[:, :2].T + turn[:, 2]
                meshes.append(mesh)
                shift, scale = rng.normal(0, NEAR, 2) * width, np.exp(rng.normal(0, SCALE))
                windows.append(boxes_of(np.array([[x + shift[0], y + shift[1], width * scale]]))[0])
            given = images, np.stack(windows), heads(np.stack(meshes), template, share), faces.people[places]
            made = {"": figures_of(eyes, *given)}
            middles = faces.heads.windows[places, :2]
            is_found = [float(holds(detector(image), *middle)) for image, middle in zip(images, middles, strict=True)]
            made[""]["found by the detector"] = mean_interval(faces.people[places], np.array(is_found))
            face_reader.MAX_ROLL_DEG, canonical.SURE = np.inf, np.inf
            made[", never turned"] = figures_of(eyes, *given)
            face_reader.MAX_ROLL_DEG, canonical.SURE = kept
            for kind, values in made.items():
                figures[f"{name}, {angle} degrees{kind}"] = values
                print(f"{name}, {angle} degrees{kind}:", json.dumps(values), flush=True)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
