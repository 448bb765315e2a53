"""Small faces in large pictures: the limit is in pixels of the picture, and each face is found once."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.errors import InputError, NoFaceError
from fabnet.faces.detect.detection import Detection, SmallestFace
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.detect.tiles import in_tiles
from fabnet.faces.find import crop_faces
from fabnet.video.decode import read_frames


@pytest.fixture(scope="module")
def face(smiling: Path) -> tuple[np.ndarray, float]:
    """A real face with its surroundings, and the side of its box."""
    image = next(read_frames(smiling)).image
    (found,) = load_detector()(image)
    side = float((found.box_px[2:] - found.box_px[:2]).max())
    middle, half = (found.box_px[:2] + found.box_px[2:]) / 2, 0.75 * side
    x0, y0, x1, y1 = [max(0, int(value)) for value in (*(middle - half), *(middle + half))]
    return image[y0:y1, x0:x1], side


def crowd(face: tuple[np.ndarray, float], width: int, height: int, columns: int, rows: int, px: float) -> Any:
    """Faces of `px` on a canvas, evenly spread, and their centres."""
    scale = px / face[1]
    small = cv2.resize(
        face[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    image = np.full((height, width, 3), 96, np.uint8)
    centres = []
    for row in range(rows):
        for column in range(columns):
            x = int((column + 0.5) * width / columns) - small.shape[1] // 2
            y = int((row + 0.5) * height / rows) - small.shape[0] // 2
            image[y : y + small.shape[0], x : x + small.shape[1]] = small
            centres.append((x + small.shape[1] / 2, y + small.shape[0] / 2))
    return image, np.array(centres)


def assert_each_once(found: list[np.ndarray], centres: np.ndarray, px: float) -> None:
    assert len(found) == len(centres)
    middles = np.array([(box[:2] + box[2:]) / 2 for box in found])
    nearest = np.linalg.norm(middles[:, None] - centres, axis=2).argmin(axis=1)
    assert sorted(nearest.tolist()) == list(range(len(centres)))
    assert np.linalg.norm(middles - centres[nearest], axis=1).max() < px / 2


@pytest.mark.parametrize(
    ("width", "height", "columns", "rows", "px"),
    [(3600, 2160, 20, 12, 100), (3840, 2160, 4, 4, 150), (6000, 200, 15, 1, 100), (3200, 100, 10, 1, 64)],
)
def test_photos_have_small_faces(
    face: tuple[np.ndarray, float], width: int, height: int, columns: int, rows: int, px: float
) -> None:
    image, centres = crowd(face, width, height, columns, rows, px)
    assert_each_once([found.box_px for found in crop_faces(image)], centres, px)


def test_the_limit_is_in_pixels_of_the_picture(face: tuple[np.ndarray, float]) -> None:
    image, centres = crowd(face, 3000, 2000, 4, 3, 36)
    assert crop_faces(image, min_face=150) == []
    assert_each_once([found.box_px for found in crop_faces(image, min_face=30)], centres, 36)
    assert load_detector(min_face_px=30).smallest_px(2000, 3000) == 30


def test_large_faces_are_found_beside_small_ones(face: tuple[np.ndarray, float]) -> None:
    image, centres = crowd(face, 2000, 1200, 5, 1, 50)
    large, (middle,) = crowd(face, 700, 700, 1, 1, 400)
    image[:700, :700] = large
    keep = np.linalg.norm(centres - 350, axis=1) > 500
    found = crop_faces(image, min_face=40)
    assert_each_once([each.box_px for each in found], np.vstack([middle, centres[keep]]), 400)
    (first, *_) = load_photo_detector(only_largest=True)(image)
    assert first.box_px[2] - first.box_px[0] > 250


def test_the_default_follows_the_shape_of_the_picture() -> None:
    assert SmallestFace().of(1080, 1920) == 120
    assert SmallestFace().of(144, 176) == 20
    assert SmallestFace().of(1000, 1000) == 62.5
    assert SmallestFace().of(100, 40_000) == 25
    assert SmallestFace(share=1 / 64).of(3000, 4000) == 62.5
    assert SmallestFace(24).of(3000, 40) == 24


def test_a_detector_and_a_limit_exclude_each_other(face: tuple[np.ndarray, float]) -> None:
    with pytest.raises(InputError, match="give one of detector and min_face"):
        crop_faces(face[0], detector=load_detector(), min_face=30)
    for wrong in (0, -1, 1e-9, 0.5, 7.9, float("nan"), float("inf")):
        with pytest.raises(InputError, match="min_face_px is"):
            crop_faces(face[0], min_face=wrong)


def test_messages_have_the_true_limit(tmp_path: Path, face: tuple[np.ndarray, float]) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((1200, 2000, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "face.png"), cv2.resize(face[0], (200, 200))[:, :, ::-1])
    fabnet.embed([tmp_path / "face.png"], tmp_path / "e.lance", model="pixels")
    with pytest.raises(NoFaceError, match=r"grey.png \(2000 x 1200 px\): faces of 31 px"):
        fabnet.search(tmp_path / "e.lance", tmp_path / "grey.png")
    with pytest.raises(NoFaceError, match=r"faces of 200 px"):
        fabnet.search(tmp_path / "e.lance", tmp_path / "grey.png", min_face=200)
    with pytest.raises(NoFaceError, match=r"1/64 of a photo's longer side"):
        fabnet.embed([tmp_path / "grey.png"], tmp_path / "n.csv", model="pixels")
    with pytest.raises(NoFaceError, match=r"has 200 px"):
        fabnet.embed([tmp_path / "grey.png"], tmp_path / "n.csv", model="pixels", min_face=200)


def test_embed_and_import_take_the_limit(tmp_path: Path, face: tuple[np.ndarray, float]) -> None:
    image, centres = crowd(face, 3000, 2000, 2, 1, 36)
    inner = tmp_path / "in" / "Ann" / "v"
    inner.mkdir(parents=True)
    cv2.imwrite(str(inner / "0.png"), image[:, :, ::-1])
    out = tmp_path / "e.lance"
    assert fabnet.embed([inner], out, model="pixels", faces="all", min_face=30).embedded == len(centres)
    with pytest.raises(NoFaceError, match="--min-face"):
        fabnet.embed([inner], out, model="pixels", min_face=200)
    for number, (limit, rows) in enumerate([(30, 1), (200, 0)]):
        store = tmp_path / f"{number}.lance"
        arguments: dict[str, Any] = {"layout": "identity/video", "crop": "detect", "num_workers": 0, "min_face": limit}
        if rows:
            assert fabnet.import_folder(tmp_path / "in", store, **arguments).store.rows == rows
        else:
            with pytest.raises(NoFaceError):
                fabnet.import_folder(tmp_path / "in", store, **arguments)


def squares(image: np.ndarray) -> list[Detection]:
    """The white squares of an image of at most 640 px, of 20 px or more."""
    assert max(image.shape[:2]) <= 640
    _, _, boxes, _ = cv2.connectedComponentsWithStats((image[:, :, 0] > 127).astype(np.uint8))
    return [
        Detection(np.array([x, y, x + w, y + h], np.float32), np.zeros((5, 2), np.float32), 0.9)
        for x, y, w, h, _ in boxes[1:]
        if min(w, h) >= 20
    ]


def test_tiles_find_each_face_once() -> None:
    image = np.zeros((2500, 3100, 3), np.uint8)
    centres = []
    for x in range(60, 3000, 170):
        for y in range(60, 1200, 170):
            image[y - 25 : y + 25, x - 25 : x + 25] = 255
            centres.append((x, y))
    image[1400:2400, 300:1300] = 255  # larger than a tile
    for x, y in ((1490, 615), (615, 140)):  # a tile ends within these, and they are too small at half the size
        image[y : y + 30, x : x + 30] = 255
        centres.append((x + 15, y + 15))
    found = in_tiles(squares, image, tile_px=640, overlap_px=160)
    assert all(abs(np.subtract(*np.ptp(each.box_px.reshape(2, 2), axis=0))) <= 2 for each in found)
    assert_each_once([each.box_px for each in found], np.array([*centres, (800, 1900)]), 50)
    assert in_tiles(squares, image[:600, :600], tile_px=640, overlap_px=160)


def test_uniface_takes_the_limit_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the optional package: its network scales every input to 640 px."""

    class Network:
        def detect(self, image: np.ndarray) -> list[dict[str, Any]]:
            found = squares(image)
            return [{"bbox": each.box_px, "landmarks": each.landmarks5_px, "confidence": 0.9} for each in found]

    package = ModuleType("uniface")
    package.__dict__["RetinaFace"] = Network
    monkeypatch.setitem(__import__("sys").modules, "uniface", package)
    image = np.zeros((2160, 3600, 3), np.uint8)
    image[1000:1100, 2000:2100] = 255
    assert load_detector("uniface")(image) == []
    (found,) = load_detector("uniface", min_face_px=60)(image)
    assert np.abs(found.box_px - [2000, 1000, 2100, 1100]).max() < 4
    assert SmallestFace(60).of(2160, 3600) == 60
