"""A small benchmark of real faces: the clip's frames, labelled with the five points of the detector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.faces.detect.load import load_detector
from fabnet.video.decode import read_frames


@pytest.fixture(scope="session")
def labelled_photos(carphone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 48 photos of twelve "people", with labels.csv: five points, a class, a unit and a value for each."""
    folder = tmp_path_factory.mktemp("photos")
    find = load_detector()
    frames = [frame.image for frame in read_frames(carphone)]
    lines = ["path,subject,split,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4,side,high,width"]
    faces = [find(frames[2 * number])[0] for number in range(48)]
    middle_x, middle_y = np.median([face.landmarks5_px.mean(axis=0) for face in faces], axis=0)
    for number, face in enumerate(faces):
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), frames[2 * number][:, :, ::-1])
        person = number % 12
        split = "train" if person < 8 else "val" if person < 10 else "test"
        x, y = face.landmarks5_px.mean(axis=0)
        points = ",".join(f"{value:.3f}" for value in face.landmarks5_px.reshape(-1))
        width = face.box_px[2] - face.box_px[0]
        side = "left" if x < middle_x else "right"
        lines.append(f"{name},p{person},{split},{points},{side},{int(y < middle_y)},{width:.2f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def face_image(carphone: Path) -> np.ndarray:
    """(144, 192, 3) uint8 RGB image of one man."""
    return next(read_frames(carphone)).image
