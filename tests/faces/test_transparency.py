"""Transparent parts count as black, whatever the file has below them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.errors import NoFaceError
from fabnet.faces.picture import decode_bgr
from fabnet.video.decode import read_frames

LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]


@pytest.fixture(scope="module")
def frame(smiling: Path) -> np.ndarray:
    return next(iter(read_frames(smiling))).image[:, :, ::-1]


def encoded(suffix: str, image: np.ndarray, alpha: np.ndarray) -> bytes:
    done, data = cv2.imencode(suffix, np.dstack([image, alpha]), LOSSLESS if suffix == ".webp" else [])
    assert done
    return data.tobytes()


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_transparent_parts_are_black(frame: np.ndarray, suffix: str) -> None:
    alpha = np.full(frame.shape[:2], 255, np.uint8)
    assert np.array_equal(decode_bgr(encoded(suffix, frame, alpha)), frame)
    alpha[:, :50], alpha[:, 50:100] = 0, 128
    found = decode_bgr(encoded(suffix, frame, alpha))
    assert not found[:, :50].any()
    assert np.abs(found[:, 50:100] - frame[:, 50:100] * (128 / 255)).max() <= 1
    assert np.array_equal(found[:, 100:], frame[:, 100:])
    half = decode_bgr(encoded(suffix, frame, alpha), cv2.IMREAD_REDUCED_COLOR_2)
    assert half.shape == (96, 96, 3)
    assert not half[:, :24].any()


def test_sixteen_bits(frame: np.ndarray) -> None:
    alpha = np.full(frame.shape[:2], 2**16 - 1, np.uint16)
    alpha[:90] = 0
    found = decode_bgr(encoded(".png", frame.astype(np.uint16) * 257, alpha))
    assert not found[:90].any()
    assert np.array_equal(found[90:], frame[90:])


def test_a_face_that_was_erased_is_not_read(frame: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "erased.png").write_bytes(encoded(".png", frame, np.zeros(frame.shape[:2], np.uint8)))
    with pytest.raises(NoFaceError):
        fabnet.read(tmp_path / "erased.png")
