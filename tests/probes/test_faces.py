"""Face crops: found, not found, published or one of several, and the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.faces.crop import VOXCELEB, CropSpec, crop_box, cut
from fabnet.faces.detect.load import load_detector
from fabnet.faces.find import crop_faces
from fabnet.faces.window import Window
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.faces import FaceCrops, crop_of, find_faces, read_image
from fabnet.probes.tasks.quantities import Values

WINDOW = Window(0.5, 0.52, 176 / 256)


def benchmark(images: list[Any], **boxes: Any) -> Benchmark:
    task = Values(name="t", targets=np.zeros((len(images), 1)), columns=("t",))
    names, split = [str(i) for i in range(len(images))], np.full(len(images), "train")
    return Benchmark(name="some", images=images, names=names, split=split, tasks=(task,), **boxes)


def test_a_face_is_cropped_as_by_crop_faces_and_none_is_dropped(face_image: np.ndarray) -> None:
    blank = np.full((40, 60, 3), 99, np.uint8)
    crops = find_faces(benchmark([face_image, blank]), cache=Cache(None), num_workers=0)
    assert crops.is_loose.tolist() == [True, False]
    assert crops.num_not_found == 1
    (face,) = crop_faces(face_image)
    np.testing.assert_allclose(crops.boxes_px[0], face.crop_box_px)
    made = crop_of(face_image, crops.crop_px(WINDOW)[0], CropSpec().size)
    np.testing.assert_array_equal(made, face.image)
    # The second face was not found, so the network sees the square around the whole image.
    np.testing.assert_allclose(crops.seen_px(WINDOW)[1], [0, -10, 60, 50])


def test_crop_boxes_and_seen_boxes_are_inverse() -> None:
    boxes = np.array([[10.0, 20, 110, 120], [5, 5, 25, 35]])
    crops = FaceCrops(boxes, np.array([True, False]))
    np.testing.assert_allclose(WINDOW.inside(crops.crop_px(WINDOW)), crops.seen_px(WINDOW))
    np.testing.assert_allclose(crops.crop_px(WINDOW)[0], boxes[0])
    np.testing.assert_allclose(crops.seen_px(WINDOW)[1], boxes[1])
    side = 100 * 176 / 256
    np.testing.assert_allclose(crops.seen_px(WINDOW)[0][:2], [60 - side / 2, 72 - side / 2])


def test_the_labelled_face_is_chosen_among_several(face_image: np.ndarray) -> None:
    both = np.hstack([face_image, face_image])
    (face,) = crop_faces(face_image)
    right = face.box_px + face_image.shape[1] * np.array([1, 0, 1, 0], np.float32)
    crops = find_faces(benchmark([both], face_px=right[None]), cache=Cache(None), num_workers=0)
    assert crops.boxes_px[0, 0] > 100


def test_a_labelled_box_stands_in_for_a_face_that_is_not_found(face_image: np.ndarray) -> None:
    labels = np.array([[1.0, 2, 31, 42], [0, 0, 20, 20], [500, 0, 520, 20], [5, 5, 5, 5]])
    images = [face_image] + [np.full((60, 60, 3), 99, np.uint8)] * 3
    crops = find_faces(benchmark(images, face_px=labels), cache=Cache(None), num_workers=0)
    # The first label lies beside the face that was found; the last two are not in the image, and empty.
    assert crops.is_loose.tolist() == [True, True, False, False]
    assert (crops.num_not_found, crops.num_on_label) == (4, 2)
    for place in (0, 1):
        np.testing.assert_allclose(crops.boxes_px[place], crop_box(labels[place], CropSpec()))
    np.testing.assert_allclose(crops.seen_px(WINDOW)[2], [0, 0, 60, 60])


def test_a_face_is_cut_as_the_models_training_crops_were(face_image: np.ndarray) -> None:
    """VoxCeleb's crop by the pipeline of its makers, whose window of 190 px lies at y 8-198 of 256."""
    (found,) = load_detector()(face_image)
    x0, y0, x1, y1 = found.box_px
    half, middle_x, middle_y = max(x1 - x0, y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2
    top, left, side = middle_y - half, middle_x - 1.4 * half, 2.8 * half  # frame[my - bs : my + bs (1 + 2 cs), ...]
    authors = np.array([left + 33 / 256 * side, top + 8 / 256 * side, left + 223 / 256 * side, top + 198 / 256 * side])
    crops = find_faces(benchmark([face_image]), cache=Cache(None), num_workers=0, spec=VOXCELEB)
    window = Window(0.5, VOXCELEB.window_centre_y, 190 / 256)
    np.testing.assert_allclose(crops.seen_px(window)[0], authors, atol=1)
    usual = find_faces(benchmark([face_image]), cache=Cache(None), num_workers=0)
    assert abs(usual.seen_px(window)[0] - authors).max() > 0.1 * side  # what a probe saw when it cut its own crop


def test_a_published_crop_needs_no_detector_and_may_be_oblong(face_image: np.ndarray) -> None:
    box = np.array([[40.0, 10, 120, 130]])
    crops = find_faces(benchmark([face_image], seen_px=box), cache=Cache(None))
    assert crops.num_not_found == 0
    np.testing.assert_allclose(crops.seen_px(WINDOW), box)
    made = crop_of(face_image, box[0], 64)
    squeezed = cv2.resize(face_image[10:130, 40:120], (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(made.astype(int) - squeezed).mean() < 3
    square = np.array([40.0, 10, 120, 90])
    np.testing.assert_array_equal(crop_of(face_image, square, 64), cut(face_image, square, 64))


def test_boxes_are_cached_per_image_content(face_image: np.ndarray, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = find_faces(benchmark([face_image]), cache=cache, num_workers=0)
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    stamp = kept[0].stat().st_mtime_ns
    again = find_faces(benchmark([face_image]), cache=cache, num_workers=0)
    np.testing.assert_array_equal(first.boxes_px, again.boxes_px)
    assert kept[0].stat().st_mtime_ns == stamp
    other = find_faces(benchmark([np.zeros_like(face_image)]), cache=cache, num_workers=0)
    assert not other.is_loose[0]
    file = tmp_path / "a.bmp"  # the same size and name for both contents
    for image, is_found in ((face_image, True), (np.zeros_like(face_image), False)):
        cv2.imwrite(str(file), image[:, :, ::-1])
        assert find_faces(benchmark([file]), cache=cache, num_workers=0).is_loose[0] == is_found
    # A truncated file, from a full disk say, is rebuilt.
    kept[0].write_bytes(b"\x93NUMPY")
    np.testing.assert_array_equal(
        find_faces(benchmark([face_image]), cache=cache, num_workers=0).boxes_px, first.boxes_px
    )


def test_images_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.jpg cannot be read: No such file"):
        read_image(tmp_path / "none.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(InputError, match=r"empty.jpg \(0 bytes\)"):
        read_image(tmp_path / "empty.jpg")
    grey = np.arange(25, dtype=np.uint8).reshape(5, 5)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), grey[:, :, None].repeat(3, 2))
