"""What is said about pictures that cannot be decoded, and kinds of TIFF."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from fabnet.errors import InputError
from fabnet.faces.picture import decode_picture, picture_size
from fabnet.files.kinds import kind_by_content

GRADIENT = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
RGB = np.stack([GRADIENT, GRADIENT[::-1, ::-1], np.full_like(GRADIENT, 90)], axis=2)


def saved(kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, kind, **how)
    return file.getvalue()


def test_big_tiffs_are_read() -> None:
    data = saved("TIFF", big_tiff=True)
    assert data[2] == 43
    assert kind_by_content("a", data[:1024]) == "image"
    assert picture_size(data) == (64, 48)
    np.testing.assert_array_equal(decode_picture(data), RGB)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (saved("JPEG")[:-2], "the JPEG is truncated: its end is missing"),
        (saved("JPEG")[:-200], "the JPEG is truncated: its end is missing"),
        (saved("WEBP", lossless=True)[:-10], "the WebP is truncated"),
        (cv2.imencode(".tiff", GRADIENT.astype(np.float32))[1].tobytes(), "save it with 8 or 16 bits"),
    ],
)
def test_why_a_picture_cannot_be_decoded(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_picture(data)


GREY = np.repeat(GRADIENT[:, :, None], 3, axis=2)


def netpbm(kind: str, largest: int) -> bytes:
    image = GRADIENT if kind == "P5" else RGB
    numbers = np.rint(image / 255 * largest).astype(">u2" if largest > 255 else np.uint8)
    return f"{kind} # by a camera\n64 48\n{largest}\n".encode() + numbers.tobytes()


@pytest.mark.parametrize("kind", ["P5", "P6"])
@pytest.mark.parametrize("largest", [100, 255, 1023, 4095, 65_535])
def test_the_largest_number_of_a_ppm_is_white(kind: str, largest: int) -> None:
    expected = GREY if kind == "P5" else RGB
    np.testing.assert_allclose(decode_picture(netpbm(kind, largest)), expected, atol=2)


def tiff(photometric: int, bits: int, numbers: bytes, channels: int = 1) -> bytes:
    """A TIFF of 64 x 48 pixels with this meaning of its numbers."""
    entries = {256: 64, 257: 48, 258: bits, 259: 1, 262: photometric, 273: 8, 277: channels, 278: 48, 279: len(numbers)}
    page = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *(tag, 4, 1, entries[tag])) for tag in entries
    )
    return b"II*\0" + struct.pack("<I", 8 + len(numbers)) + numbers + page + bytes(4)


def test_cielab_is_refused() -> None:
    lab = cv2.cvtColor(RGB, cv2.COLOR_RGB2LAB)
    with pytest.raises(InputError, match="CIELAB: save it as RGB"):
        decode_picture(tiff(8, 8, lab.tobytes(), 3))
