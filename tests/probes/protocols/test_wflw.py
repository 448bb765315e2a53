from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.points import Points

LISTS = "list_98pt_rect_attr_train_test"


def points_of(number: int) -> np.ndarray:
    points = np.random.default_rng(number).uniform(10, 90, (98, 2)).round(6)
    points[60], points[72] = (20, 30), (60, 60)
    return points


def line(number: int, image: str) -> str:
    coordinates = " ".join(f"{value:.6f}" for value in points_of(number).ravel())
    return f"{coordinates} {10 + number} 20 90 95 0 0 1 0 0 0 {image}"


@pytest.fixture
def wflw(tmp_path: Path) -> Path:
    for name in ("0--Parade/a.jpg", "1--Handshaking/b.jpg"):
        (tmp_path / "WFLW_images" / name).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "WFLW_images" / name), np.full((100, 100, 3), 127, np.uint8))
    (tmp_path / "WFLW_annotations" / LISTS).mkdir(parents=True)
    lists = tmp_path / "WFLW_annotations" / LISTS
    (lists / "list_98pt_rect_attr_train.txt").write_text(
        f"{line(0, '0--Parade/a.jpg')}\n{line(1, '0--Parade/a.jpg')}\n"
    )
    (lists / "list_98pt_rect_attr_test.txt").write_text(f"{line(2, '1--Handshaking/b.jpg')}\n")
    return tmp_path


def test_points_split_and_faces(wflw: Path) -> None:
    benchmark = read_benchmark("wflw", wflw)
    assert list(benchmark.names) == ["0--Parade/a.jpg#train1", "0--Parade/a.jpg#train2", "1--Handshaking/b.jpg#test1"]
    assert benchmark.images[1] == wflw / "WFLW_images/0--Parade/a.jpg"
    assert benchmark.split.tolist() == ["train", "train", "test"]
    (task,) = benchmark.tasks
    assert task.name == "landmarks98"
    np.testing.assert_allclose(task.targets[2], points_of(2).ravel() + 0.5)
    assert isinstance(task, Points)
    assert task.normalisers[0].name == "outer-eye distance"
    np.testing.assert_allclose(task.normalisers[0].measure(task.targets.reshape(-1, 98, 2)), [50, 50, 50])
    assert benchmark.face_px is not None
    np.testing.assert_array_equal(benchmark.face_px[[0, 2]], [[10, 20, 90, 95], [12, 20, 90, 95]])


def test_the_lists_may_lie_in_the_folder_itself(wflw: Path) -> None:
    (wflw / "WFLW_annotations" / LISTS).rename(wflw / LISTS)
    assert len(read_benchmark("wflw", wflw).names) == 3


def test_missing_and_wrong_files(wflw: Path) -> None:
    test = wflw / "WFLW_annotations" / LISTS / "list_98pt_rect_attr_test.txt"
    test.write_text(line(2, "1--Handshaking/gone.jpg"))
    with pytest.raises(InputError, match=r"wflw: 1 of 3 labelled images are missing, .*gone.jpg"):
        read_benchmark("wflw", wflw)
    test.write_text("1 2 3 a.jpg")
    with pytest.raises(InputError, match=r"test.txt, line 1: expected 206 numbers and an image, found 3"):
        read_benchmark("wflw", wflw)
    test.write_text(line(2, "a.jpg").replace("95", "bottom"))
    with pytest.raises(InputError, match=r"test.txt, line 1: expected 206 numbers, found"):
        read_benchmark("wflw", wflw)
    test.unlink()
    with pytest.raises(InputError, match=rf"wflw: no list of test faces at .*{LISTS}/list_98pt_rect_attr_test.txt"):
        read_benchmark("wflw", wflw)
