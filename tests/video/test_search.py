"""Faces followed between the frames that are searched, on a real clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.faces.detect.detection import Detection, follow
from fabnet.faces.detect.load import load_detector
from fabnet.video.decode import read_frames
from fabnet.video.search import FaceSearch

from ..faces.detect.overlap import overlap


@pytest.fixture(scope="module")
def frames(smiling: Path) -> list[np.ndarray]:
    """20 frames, 0.2 s apart, enlarged twice."""
    return [cv2.resize(frame.image, None, fx=2, fy=2) for frame in read_frames(smiling, fps=5)]


@pytest.fixture(scope="module")
def searched(frames: list[np.ndarray]) -> list[Detection]:
    detector = load_detector()
    return [detector(image)[0] for image in frames]


def push_all(frames: list[np.ndarray], whole: set[int]) -> tuple[list[list[Detection]], list[int]]:
    """Faces of every frame, and the frames that were searched whole."""
    search = FaceSearch(load_detector())
    found, searched = [], []
    for number, image in enumerate(frames):
        before = search.num_searched
        found.append(search.push(image, number / 5, is_whole=number in whole))
        searched += [number] * (search.num_searched - before)
    return found, searched


def test_a_followed_face_is_where_a_search_finds_it(frames: list[np.ndarray], searched: list[Detection]) -> None:
    found, on = push_all(frames, {7})
    assert on == [0, 5, 7, 12, 17]
    overlaps, distances = [], []
    for faces, expected in zip(found, searched, strict=True):
        (face,) = faces
        overlaps.append(overlap(face.box_px, expected.box_px))
        eyes = float(np.linalg.norm(np.subtract(*expected.landmarks5_px[:2])))
        distances.append(np.linalg.norm(face.landmarks5_px - expected.landmarks5_px, axis=1).mean() / eyes)
    assert overlaps[0] == overlaps[7] == 1
    assert np.mean(overlaps) > 0.88
    assert min(overlaps) > 0.7
    assert np.mean(distances) < 0.05
    # On average neither larger nor smaller.
    sides = [np.log(np.ptp(a[0].box_px.reshape(2, 2), axis=0) / np.ptp(b.box_px.reshape(2, 2), axis=0)).mean()
             for a, b in zip(found, searched, strict=True)]  # fmt: skip
    assert abs(np.mean(sides)) < 0.03


def test_a_face_that_leaps_is_searched_for(frames: list[np.ndarray], searched: list[Detection]) -> None:
    side = round(float(searched[1].box_px[2] - searched[1].box_px[0]))
    wide = [np.pad(image, ((0, 0), (0, image.shape[1]), (0, 0)), mode="edge") for image in frames[:8]]
    moved = [np.roll(image, side if number >= 4 else 0, axis=1) for number, image in enumerate(wide)]
    found, on = push_all(moved, set())
    assert on == [0, 4]
    assert all(len(faces) == 1 for faces in found)


def test_a_missing_face_is_searched_for_as_long_as_a_track_waits(frames: list[np.ndarray]) -> None:
    empty = cv2.GaussianBlur(frames[0], (0, 0), 60)
    found, on = push_all([*frames[:3], *[empty] * 8, *frames[3:6]], {11})
    assert [len(faces) for faces in found] == [1] * 3 + [0] * 8 + [1] * 3
    assert on == [0, 3, 4, 5, 6, 7, 8, 11]  # from 0.6 s to 1.65 s


def test_a_new_face_is_found_by_the_next_search(frames: list[np.ndarray]) -> None:
    empty = np.full_like(frames[0], 110)
    pairs = [np.hstack([image, image if number >= 2 else empty]) for number, image in enumerate(frames[:7])]
    found, on = push_all(pairs, set())
    assert on == [0, 5]
    assert [len(faces) for faces in found] == [1, 1, 1, 1, 1, 2, 2]


def test_one_face_is_not_followed_as_two(frames: list[np.ndarray], searched: list[Detection]) -> None:
    class Twice(type(load_detector())):  # type: ignore[misc]
        """Returns the man twice, slightly apart, at the first search."""

        def __call__(self, image: np.ndarray) -> list[Detection]:
            return [searched[0], searched[0].moved(9, 0)] if image is frames[0] else super().__call__(image)

    search = FaceSearch(Twice())
    assert len(search.push(frames[0], 0.0, is_whole=True)) == 2
    assert len(search.push(frames[1], 0.2, is_whole=False)) == 1
    assert search.num_searched == 2


def test_nothing_is_followed_after_a_face_has_gone(frames: list[np.ndarray], searched: list[Detection]) -> None:
    detector, face = load_detector(), searched[0]
    flat = np.full_like(frames[0], 110)
    assert follow(detector, flat, face) is None
    assert follow(detector, flat, face.moved(5_000, -5_000)) is None
    assert follow(detector, flat[:1, :1], face) is None


def test_a_detector_without_follow_searches_a_window(frames: list[np.ndarray], searched: list[Detection]) -> None:
    whole = load_detector()

    def detector(image: np.ndarray) -> list[Detection]:
        return whole(image)

    for image, face, expected in zip(frames[1:], searched, searched[1:], strict=False):
        again = follow(detector, image, face)
        assert again is not None
        assert overlap(again.box_px, expected.box_px) > 0.75
    assert follow(detector, np.full_like(frames[0], 110), searched[0]) is None
