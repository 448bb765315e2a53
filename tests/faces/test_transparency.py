"""Transparent parts count as black, whatever the file has below them."""

from __future__ import annotations

import struct
import zlib
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


def with_orientation(data: bytes, orientation: int, frame: np.ndarray) -> bytes:
    """A PNG or WebP whose Exif says how it is turned."""
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0]) + bytes(4)
    if data.startswith(b"\x89PNG"):
        chunk = b"eXIf" + exif
        at = data.index(b"IDAT") - 4
        return data[:at] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[at:]
    height, width = frame.shape[:2]
    sides = b"".join(int(side - 1).to_bytes(3, "little") for side in (width, height))
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([0x18, 0, 0, 0]) + sides + data[12:]
    body += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_transparent_parts_of_a_turned_picture_are_black(frame: np.ndarray, suffix: str, orientation: int) -> None:
    frame = np.ascontiguousarray(frame[:, :150])
    alpha = np.full(frame.shape[:2], 255, np.uint8)
    alpha[:30, :50] = 0
    black = frame.copy()
    black[:30, :50] = 0
    opaque = np.full_like(alpha, 255)
    turned = decode_bgr(with_orientation(encoded(suffix, black, opaque), orientation, frame))
    found = decode_bgr(with_orientation(encoded(suffix, frame, alpha), orientation, frame))
    assert np.array_equal(found, turned)
    if orientation >= 5 and suffix == ".png":
        assert found.shape[:2] == (150, frame.shape[0])
