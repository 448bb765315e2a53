from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark

LABELS = "train_00001.jpg 5\ntrain_00002.jpg 1\ntest_0001.jpg 7\n"


@pytest.fixture
def rafdb(tmp_path: Path) -> Path:
    (tmp_path / "basic/EmoLabel").mkdir(parents=True)
    (tmp_path / "basic/Image/aligned").mkdir(parents=True)
    (tmp_path / "basic/EmoLabel/list_patition_label.txt").write_text(LABELS)
    for name in ("train_00001", "train_00002", "test_0001"):
        image = tmp_path / f"basic/Image/aligned/{name}_aligned.jpg"
        cv2.imwrite(str(image), np.full((100, 100, 3), 127, np.uint8))
    return tmp_path


def test_classes_split_and_crop(rafdb: Path) -> None:
    benchmark = read_benchmark("rafdb", rafdb)
    assert list(benchmark.names) == ["train_00001.jpg", "train_00002.jpg", "test_0001.jpg"]
    assert benchmark.images[2] == rafdb / "basic/Image/aligned/test_0001_aligned.jpg"
    assert benchmark.split.tolist() == ["train", "train", "test"]
    (task,) = benchmark.tasks
    np.testing.assert_array_equal(task.targets, [[4], [0], [6]])
    assert [task.columns[int(label)] for label in task.targets[:, 0]] == ["sad", "surprise", "neutral"]
    np.testing.assert_array_equal(benchmark.seen_px, [[0, 0, 100, 100]] * 3)


def test_the_folders_may_lie_in_the_folder_itself(rafdb: Path) -> None:
    assert len(read_benchmark("rafdb", rafdb / "basic").names) == 3


@pytest.mark.parametrize("line", ["train_00003.jpg 8", "train_00003.jpg", "val_00003.jpg 1", "train_00001.jpg 5"])
def test_a_wrong_line(rafdb: Path, line: str) -> None:
    (rafdb / "basic/EmoLabel/list_patition_label.txt").write_text(f"{LABELS}{line}\n")
    with pytest.raises(InputError, match=rf"label.txt, line 4: expected train_00001.jpg 5, .* found '{line}'"):
        read_benchmark("rafdb", rafdb)


def test_missing_files(rafdb: Path) -> None:
    (rafdb / "basic/Image/aligned/test_0001_aligned.jpg").unlink()
    with pytest.raises(InputError, match=r"rafdb: 1 of 3 labelled images are missing, .*test_0001_aligned.jpg"):
        read_benchmark("rafdb", rafdb)
    listed = rafdb / "basic/EmoLabel/list_patition_label.txt"
    listed.write_text(f"train_{'1' * 300}.jpg 5\n")  # longer than the limit for file names
    with pytest.raises(InputError, match=r"rafdb: 1 of 1 labelled images are missing, .*11_aligned.jpg"):
        read_benchmark("rafdb", rafdb)
    listed.unlink()
    with pytest.raises(InputError, match=r"rafdb: no list of labels at .*basic/EmoLabel/list_patition_label.txt"):
        read_benchmark("rafdb", rafdb)
