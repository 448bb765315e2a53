"""Faces that lie on their side or upside down are found where a photo shows no other face."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.errors import NoFaceError
from fabnet.faces.detect.detection import Detection
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.detect.turned import AnyWayUp, search_turned
from fabnet.faces.find import loaded_detector
from fabnet.video.decode import Frame, read_frames
from fabnet.video.encode import VideoWriter

TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, -90: cv2.ROTATE_90_CLOCKWISE}
POINTS = np.array([[12, 10], [24, 11], [19, 20], [13, 27], [23, 28]], np.float32)


@pytest.fixture(scope="module")
def frame(smiling: Path) -> np.ndarray:
    return next(iter(read_frames(smiling))).image


class Marks:
    """Takes a red patch for a face, if its green corner lies at the upper left of the image."""

    def __init__(self, score: float, *, upright: float = 0.0) -> None:
        self.score, self.upright, self.searches = score, upright, 0

    def __call__(self, image: np.ndarray) -> list[Detection]:
        self.searches += 1
        (rows, columns), (green_row, green_column) = np.nonzero(image[:, :, 0]), np.argwhere(image[:, :, 1])[0]
        left, top = float(columns.min()), float(rows.min())
        box = np.array([left, top, columns.max() + 1, rows.max() + 1], np.float32)
        is_upright = green_row < image.shape[0] / 2 and green_column < image.shape[1] / 2
        score = self.score if is_upright else self.upright
        return [Detection(box, POINTS + (left, top), score)] if score else []

    def smallest_px(self, height: int, width: int) -> float:
        return 20.0


def marked() -> np.ndarray:
    """(100, 140, 3) with a patch of 36 x 40 px at (30, 20)."""
    image = np.zeros((100, 140, 3), np.uint8)
    image[20:60, 30:66, 0] = 255
    image[2, 2, 1] = 255
    return image


@pytest.mark.parametrize("turn", TURNS)
def test_boxes_and_points_lie_in_the_image_as_it_stands(turn: int) -> None:
    image = cv2.rotate(marked(), TURNS[turn])
    (found,) = search_turned(Marks(0.95), image)
    assert found.turn_deg == turn
    rows, columns = np.nonzero(image[:, :, 0])
    np.testing.assert_array_equal(found.box_px, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    x, y = (POINTS + (30, 20)).T
    expected = {90: (y, 140 - x), 180: (140 - x, 100 - y), -90: (100 - y, x)}[turn]
    np.testing.assert_allclose(found.landmarks5_px, np.stack(expected, 1))


def test_the_image_is_turned_only_if_in_doubt() -> None:
    lying = cv2.rotate(marked(), cv2.ROTATE_180)
    for detector, image, score, searches in (
        (Marks(0.95), marked(), 0.95, 1),
        (Marks(0.95), lying, 0.95, 4),
        (Marks(0.95, upright=0.8), lying, 0.95, 4),
        (Marks(0.95, upright=0.92), lying, 0.95, 4),
        (Marks(0.91, upright=0.8), lying, 0.8, 4),
        (Marks(0.95, upright=0.94), lying, 0.94, 1),
        (Marks(0.85, upright=0.8), lying, 0.8, 4),
    ):
        (found,) = AnyWayUp(detector)(image)
        assert (found.score, detector.searches) == (score, searches)
    assert AnyWayUp(Marks(0.85))(lying) == []


@pytest.mark.parametrize("turn", TURNS)
def test_lying_faces_are_found_in_photos(frame: np.ndarray, turn: int, tmp_path: Path) -> None:
    image = cv2.rotate(frame[:, :120], TURNS[turn])
    file = tmp_path / "lying.png"
    cv2.imwrite(str(file), image[:, :, ::-1])
    (face,) = fabnet.crop_faces(image)
    (row,) = fabnet.read(file).to_pylist()
    (other,) = fabnet.read(file, faces="all").to_pylist()
    assert row == other
    assert row["in_range"]
    assert abs((row["pose_roll_deg"] - turn + 180) % 360 - 180) < 10
    own = fabnet.attributes([face])
    assert abs((own["pose_roll_deg"][0] - row["pose_roll_deg"] + 180) % 360 - 180) < 2
    assert np.abs(own["landmarks68_px"][0].ravel() - row["landmarks68_px"]).mean() < 1


def test_training_data_stay_upright(frame: np.ndarray) -> None:
    lying = cv2.rotate(frame, cv2.ROTATE_90_CLOCKWISE)
    assert all(face.turn_deg == 0 for face in loaded_detector("yunet", for_photos=True)(lying))


def test_the_detector_can_be_pickled(frame: np.ndarray) -> None:
    detector = load_photo_detector(only_largest=True)
    again = pickle.loads(pickle.dumps(detector))  # noqa: S301
    lying = cv2.rotate(frame, cv2.ROTATE_180)
    assert [face.score for face in again(lying)] == [face.score for face in detector(lying)]


def test_a_face_that_lies_through_a_video_is_read_on_every_frame(frame: np.ndarray, tmp_path: Path) -> None:
    lying = cv2.rotate(frame[:, :120], cv2.ROTATE_90_CLOCKWISE)
    with VideoWriter(tmp_path / "lying.mp4", fps=10.0) as writer:
        for index in range(12):
            writer.write(Frame(index, index / 10, lying))
    rows = fabnet.read(tmp_path / "lying.mp4").to_pylist()
    assert [row["track"] for row in rows] == ["0"] * 12
    assert all(abs(row["pose_roll_deg"] + 90) < 10 for row in rows)


def test_no_face_is_seen_where_none_is(frame: np.ndarray, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        blocks = frame.reshape(12, 16, 12, 16, 3).swapaxes(1, 2).reshape(-1, 16, 16, 3)
        mixed = blocks[rng.permutation(len(blocks))].reshape(12, 12, 16, 16, 3).swapaxes(1, 2).reshape(192, 192, 3)
        cv2.imwrite(str(tmp_path / f"{number}.png"), mixed)
    with pytest.raises(NoFaceError):
        fabnet.read(tmp_path)
