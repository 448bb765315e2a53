"""Windows, compared with closed forms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.faces.window import Window, decode_jpeg, view


def ramp(size: int) -> np.ndarray:
    """An image with x in the first channel, y in the second."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


def test_the_whole_crop_at_its_own_size_is_the_crop() -> None:
    assert np.array_equal(view(ramp(64), Window(0.5, 0.5, 1.0), 64), ramp(64))


def test_a_window_on_the_pixel_grid_is_a_slice() -> None:
    image = ramp(64)
    assert np.array_equal(view(image, Window(24 / 64, 40 / 64, 0.5), 32), image[24:56, 8:40])


def test_shrinking_averages() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    means = image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(view(image, Window(0.5, 0.5, 1.0), 16) - means).max() <= 1.5


def test_a_flip_mirrors() -> None:
    image = ramp(64)
    assert np.array_equal(view(image, Window(0.5, 0.5, 0.5), 32, flip=True), image[16:48, 16:48][:, ::-1])


def test_beyond_the_crop_its_border_is_repeated() -> None:
    cut = view(ramp(64), Window(0.0, 0.5, 0.5), 32)
    assert (cut[:, :16, 0] == 0).all()
    assert np.array_equal(cut[:, 16:, 0], np.broadcast_to(np.arange(16, dtype=np.uint8), (32, 16)))


def test_moved() -> None:
    assert Window(0.5, 0.4, 0.5).moved(0.1, -0.2, 0.8) == pytest.approx((0.55, 0.3, 0.4))


@pytest.mark.parametrize(("min_side", "expected"), [(0, 256), (129, 256), (128, 128), (64, 64), (33, 64), (5, 32)])
def test_jpegs_are_decoded_no_larger_than_needed(min_side: float, expected: int) -> None:
    data = cv2.imencode(".jpg", np.full((256, 256, 3), 99, np.uint8))[1].tobytes()
    image = decode_jpeg(data, min_side=min_side)
    assert image.shape == (expected, expected, 3)
    assert np.abs(image.astype(int) - 99).max() <= 2


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"no image at all"])
def test_bytes_that_are_not_an_image_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"the file is empty|picture that can be read"):
        decode_jpeg(data)
