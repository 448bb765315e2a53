from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
TRAINING = """689/a.jpg,134,135,899,899,181.64;530.91;188.32;627.82,1,0.785714,-0.0553
392/b.jpg,10,11,20,30,1.0;2.0,0,-0.017253,0.004313
10/c.jpg,0,0,9,9,1.0;2.0,10,-2,-2
689/a.jpg,134,135,899,899,181.64;530.91,1,0.785714,-0.0553
"""
VALIDATION = "7/d.jpg,1,2,3,4,1.0;2.0,7,-0.5,0.5\n"


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((32, 32, 3), 127, np.uint8))


@pytest.fixture
def affectnet(tmp_path: Path) -> Path:
    (tmp_path / "training.csv").write_text(HEADER + TRAINING)
    (tmp_path / "validation.csv").write_text(VALIDATION)
    for name in ("689/a.jpg", "392/b.jpg", "7/d.jpg"):
        image(tmp_path / "Manually_Annotated_Images" / name)
    return tmp_path


def test_classes_split_and_faces_of_the_lists(affectnet: Path) -> None:
    benchmark = read_benchmark("affectnet", affectnet)
    assert list(benchmark.names) == ["689/a.jpg", "392/b.jpg", "7/d.jpg"]  # c is not a face, a is listed twice
    assert benchmark.split.tolist() == ["train", "train", "test"]
    (task,) = benchmark.tasks
    assert task.kind == "classes"
    np.testing.assert_array_equal(task.targets, [[1], [0], [7]])
    assert [task.columns[int(label)] for label in task.targets[:, 0]] == ["happy", "neutral", "contempt"]
    assert benchmark.face_px is not None
    np.testing.assert_array_equal(benchmark.face_px, [[134, 135, 1033, 1034], [10, 11, 30, 41], [1, 2, 4, 6]])


def test_the_lists_may_lie_in_their_folder(affectnet: Path) -> None:
    (affectnet / "Manually_Annotated_file_lists").mkdir()
    for name in ("training.csv", "validation.csv"):
        (affectnet / name).rename(affectnet / "Manually_Annotated_file_lists" / name)
    assert len(read_benchmark("affectnet", affectnet).names) == 3


@pytest.mark.parametrize("place", ["", "Automatically_annotated_file_list/", "Automatically_Annotated_file_lists/"])
def test_the_automatic_half_is_training_too(affectnet: Path, place: str) -> None:
    with pytest.raises(InputError, match=r"affectnet-all: no folder of the automatic half at .*Annotated_Images"):
        read_benchmark("affectnet-all", affectnet)
    image(affectnet / "Automatically_Annotated_Images/689/a.jpg")  # the name of another picture of the other half
    (affectnet / place).mkdir(exist_ok=True)
    (affectnet / place / "automatically_annotated.csv").write_text(HEADER + "689/a.jpg,1,2,30,40,1.0;2.0,3,0,0\n")
    benchmark = read_benchmark("affectnet-all", affectnet)
    assert list(benchmark.names) == ["689/a.jpg", "392/b.jpg", "7/d.jpg", "automatic/689/a.jpg"]
    assert benchmark.split.tolist() == ["train", "train", "test", "train"]
    np.testing.assert_array_equal(benchmark.tasks[0].targets, [[1], [0], [7], [3]])
    assert benchmark.images[3] == affectnet / "Automatically_Annotated_Images/689/a.jpg"
    assert benchmark.name == "affectnet-all"  # so that its features are cached apart
    assert len(read_benchmark("affectnet", affectnet).names) == 3


def test_a_list_may_be_larger_than_other_tables(affectnet: Path) -> None:
    with (affectnet / "training.csv").open("a") as file:
        file.truncate(2**28 + 1)  # the official one has 68 points for each of 415,000 faces
    with pytest.raises(InputError, match=r"training.csv, line 6: more than 1,048,576 characters"):
        read_benchmark("affectnet", affectnet)


def test_missing_and_wrong_lists(affectnet: Path) -> None:
    (affectnet / "validation.csv").write_text("689/a.jpg,1,2,3,4,1.0;2.0,7,0,0\n")
    with pytest.raises(InputError, match=r"validation.csv, line 1: 689/a.jpg is also in the training list"):
        read_benchmark("affectnet", affectnet)
    (affectnet / "validation.csv").write_text("7/d.jpg,1,2,3,4,1.0;2.0,11,0,0\n")
    with pytest.raises(InputError, match=r"validation.csv, line 1: expected an expression from 0 to 10, found '11'"):
        read_benchmark("affectnet", affectnet)
    (affectnet / "validation.csv").write_text("7/d.jpg,7\n")
    with pytest.raises(InputError, match=r"validation.csv, line 1: expected 9 columns .*, found 2"):
        read_benchmark("affectnet", affectnet)
    (affectnet / "validation.csv").unlink()
    with pytest.raises(InputError, match=r"affectnet: no list of test images at .*validation.csv"):
        read_benchmark("affectnet", affectnet)


@pytest.fixture
def later(tmp_path: Path) -> Path:
    for part, labels in (("train_set", {"0": "3", "1": "8"}), ("val_set", {"0": "6"})):
        (tmp_path / part / "annotations").mkdir(parents=True)
        for name, label in labels.items():
            np.save(tmp_path / part / "annotations" / f"{name}_exp.npy", np.array(label))
            np.save(tmp_path / part / "annotations" / f"{name}_val.npy", np.array("0.25"))
            image(tmp_path / part / "images" / f"{name}.jpg")
    return tmp_path


def test_the_later_release(later: Path) -> None:
    benchmark = read_benchmark("affectnet", later)
    assert list(benchmark.names) == ["train_set/images/0.jpg", "val_set/images/0.jpg"]
    assert benchmark.split.tolist() == ["train", "test"]
    np.testing.assert_array_equal(benchmark.tasks[0].targets, [[3], [6]])
    assert benchmark.face_px is None


def test_a_pickle_is_refused(later: Path) -> None:
    np.save(later / "val_set/annotations/0_exp.npy", np.array({"label": 6}), allow_pickle=True)
    with pytest.raises(InputError, match=r"0_exp.npy is not an array"):
        read_benchmark("affectnet", later)
