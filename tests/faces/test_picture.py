"""What is said about pictures that cannot be decoded, and kinds of TIFF."""

from __future__ import annotations

import io

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
