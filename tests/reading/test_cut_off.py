"""Faces that lie partly outside the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.video.decode import read_frames


@pytest.mark.parametrize("edge", ["left", "right"])
def test_a_face_that_lies_partly_outside_the_picture_is_said_to(smiling: Path, tmp_path: Path, edge: str) -> None:
    image = next(iter(read_frames(smiling))).image
    (whole,) = fabnet.read(save(image, tmp_path / "whole.png")).to_pylist()
    x = np.reshape(whole["landmarks68_px"], (68, 2))[:, 0]
    first, width = int(x.min()), float(np.ptp(x))
    said = {}
    for share in (0.05, 0.4):
        cut = image[:, first + int(share * width) :] if edge == "left" else image[:, : first + int((1 - share) * width)]
        (row,) = fabnet.read(save(cut, tmp_path / f"{share}.png")).to_pylist()
        said[share] = row["out_of_range"].split(", ")
        (face,) = fabnet.crop_faces(cut)
        assert ("cut off" in fabnet.attributes([face])["out_of_range"][0]) == ("cut off" in row["out_of_range"])
    assert "cut off" not in said[0.05]
    assert "cut off" in said[0.4]


def save(image: np.ndarray, file: Path) -> Path:
    cv2.imwrite(str(file), image[:, :, ::-1])
    return file
