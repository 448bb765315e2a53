"""Crops, compared with closed forms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.faces.crop import CropSpec, crop_box, cut, to_crop
from fabnet.faces.detect.detection import Detection
from fabnet.faces.find import crop_faces


def gradient(height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8: red is x, green is y in half levels, blue is flat."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y // 2, np.full_like(x, 77)], axis=-1).astype(np.uint8)


def test_the_crop_is_a_square_around_the_box_with_a_margin() -> None:
    box = crop_box(np.array([10, 20, 50, 110], np.float32), CropSpec(margin=2.0, shift_y=0.0))
    side = 2 * np.sqrt(40 * 90)
    np.testing.assert_allclose(box, [30 - side / 2, 65 - side / 2, 30 + side / 2, 65 + side / 2], rtol=1e-6)
    assert box.dtype == np.float32


def test_shift_is_in_sides_of_the_crop() -> None:
    plain = crop_box(np.array([0, 0, 100, 100], np.float32), CropSpec(margin=1.5, shift_y=0.0))
    moved = crop_box(np.array([0, 0, 100, 100], np.float32), CropSpec(margin=1.5, shift_x=0.1, shift_y=-0.2))
    np.testing.assert_allclose(moved - plain, [15, -30, 15, -30], atol=1e-4)


def test_the_map_sends_corners_of_the_box_to_corners_of_the_crop() -> None:
    box = np.array([-12.25, 7.5, 87.75, 107.5], np.float32)
    matrix = to_crop(box, 64)
    corners = np.array([[box[0], box[1], 1], [box[2], box[1], 1], [box[2], box[3], 1], [box[0], box[3], 1]])
    np.testing.assert_allclose(corners @ matrix.T, [[0, 0], [64, 0], [64, 64], [0, 64]], atol=1e-9)


def test_a_box_over_the_whole_image_gives_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(image, np.array([0, 0, 64, 64], np.float32), 64), image)


def test_whole_pixels_are_copied() -> None:
    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(image, np.array([30, 11, 62, 43], np.float32), 32), image[11:43, 30:62])


def test_half_the_size_averages_blocks_of_four() -> None:
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blocks = image.reshape(32, 2, 32, 2, 3).astype(float).mean((1, 3))
    assert np.abs(cut(image, np.array([0, 0, 64, 64], np.float32), 32) - blocks).max() <= 0.5


@pytest.mark.parametrize("side", [20.0, 33.3, 64.0, 150.5])
def test_a_gradient_is_cut_exactly(side: float) -> None:
    image = gradient(200, 200)
    box = np.array([21.3, 17.8, 21.3 + side, 17.8 + side], np.float32)
    crop = cut(image, box, 32).astype(float)
    centres = (np.arange(32) + 0.5) * side / 32
    # A pixel with its centre at x + 0.5 has the value x, up to rounding.
    assert np.abs(crop[..., 0] - (21.3 + centres - 0.5)).max() <= 0.75
    assert np.abs(crop[..., 1] - (17.8 + centres[:, None] - 0.5) / 2).max() <= 1.0
    assert (crop[..., 2] == 77).all()


def test_beyond_the_image_its_border_is_repeated() -> None:
    image = gradient(40, 40)
    crop = cut(image, np.array([-20, -20, 20, 20], np.float32), 40)
    np.testing.assert_array_equal(crop[20:, 20:], image[:20, :20])
    assert (crop[:20, :20] == image[0, 0]).all()
    np.testing.assert_array_equal(crop[:20, 20:], np.repeat(image[:1, :20], 20, axis=0))


@pytest.mark.parametrize("box", [(-90, -90, -50, -50), (300, 5, 340, 45)])
def test_a_box_that_misses_the_image_repeats_its_border(box: tuple[float, ...]) -> None:
    crop = cut(gradient(40, 40), np.array(box, np.float32), 16)
    assert (crop[..., 0] == (0 if box[0] < 0 else 39)).all()


def test_a_fine_pattern_does_not_alias_when_it_shrinks() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = cut(stripes, np.array([0, 0, 511, 511], np.float32), 64)
    assert np.abs(crop.astype(int) - 128).max() < 12


@pytest.mark.parametrize("size", [32, 256])
def test_a_part_of_the_frame_gives_the_same_crop(size: int) -> None:
    image = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    box = np.array([101.37, 52.91, 260.83, 212.37], np.float32)
    moved = box.astype(np.float64) - np.array([90, 40, 90, 40])
    np.testing.assert_array_equal(cut(image[40:240, 90:290], moved, size), cut(image, box, size))


def test_the_specification_survives_json() -> None:
    spec = CropSpec(margin=1.6, shift_y=0.05, size=128)
    assert CropSpec.from_json(spec.to_json()) == spec
    with pytest.raises(InputError, match="not a crop specification"):
        CropSpec.from_json({"margin": 1.0, "colour": "red"})


@pytest.mark.parametrize("wrong", [{"margin": 0.0}, {"size": 4}, {"smoothing_s": -1.0}, {"jpeg_quality": 0}])
def test_impossible_specifications_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match=rf"a crop's {name} must lie in \S+; got \S+$"):
        CropSpec(**wrong)  # type: ignore[arg-type]


def test_faces_come_largest_first_with_their_map() -> None:
    def found(image: np.ndarray) -> list[Detection]:
        points = np.array([[30, 30], [40, 30], [35, 36], [31, 42], [39, 42]], np.float32)
        return [
            Detection(np.array([25, 20, 45, 50], np.float32), points, 0.99),
            Detection(np.array([60, 10, 110, 80], np.float32), points + 50, 0.9),
        ]

    image = gradient(120, 160)
    large, small = crop_faces(image, detector=found, spec=CropSpec(size=64))
    assert (large.score, small.score) == (0.9, 0.99)
    for face in (large, small):
        np.testing.assert_array_equal(face.image, cut(image, face.crop_box_px, 64))
        corner = face.to_crop @ np.array([face.crop_box_px[0], face.crop_box_px[3], 1])
        np.testing.assert_allclose(corner, [0, 64], atol=1e-4)


def test_arrays_that_are_not_images_are_refused() -> None:
    for shape in ((10, 10), (0, 10, 3), (10, 0, 3)):
        with pytest.raises(InputError, match=r"expected an image"):
            crop_faces(np.zeros(shape, np.uint8))


def test_resizing_matches_opencv_where_the_scale_is_whole() -> None:
    image = cv2.GaussianBlur(np.random.default_rng(4).integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 3)
    ours = cut(image, np.array([0, 0, 96, 96], np.float32), 32)
    np.testing.assert_allclose(ours, cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA), atol=1)
