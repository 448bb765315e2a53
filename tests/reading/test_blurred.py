"""Faces in blurred pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.faces.quality import detail_of
from fabnet.video.decode import read_frames


def test_detail_is_a_quarter_on_a_slope_and_one_in_noise() -> None:
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)
    noise = rng.integers(0, 256, (100, 100), np.uint8)
    moved = cv2.blur(noise, (9, 1))  # in one direction alone
    views = np.repeat(np.stack([slope, noise, moved, np.full_like(slope, 7)])[..., None], 3, axis=3)
    assert detail_of(views) == pytest.approx([0.25, 1.0, 0.5, 0.0], abs=0.05)


def test_a_face_in_a_blurred_picture_is_said_to_be(smiling: Path) -> None:
    image = next(iter(read_frames(smiling))).image
    said = {}
    for name, given in {
        "sharp": image,
        "grey": np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2),
        "blurred": cv2.GaussianBlur(image, (0, 0), 6),
        "shaken": cv2.blur(image, (1, 25)),
    }.items():
        (face, *_) = fabnet.crop_faces(np.ascontiguousarray(given))
        said[name] = fabnet.attributes([face])["out_of_range"][0].split(", ")
    assert [name for name, reasons in said.items() if "blurred" in reasons] == ["blurred", "shaken"]
