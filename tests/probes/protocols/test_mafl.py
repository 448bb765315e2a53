from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.points import Points

LANDMARKS = """3
lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y
000001.jpg    69  109  106  113   77  142   73  152  108  154
000002.jpg    69  110  107  112   81  135   70  151  108  153
000003.jpg    76  112  104  106  108  128   74  156   98  158
"""


@pytest.fixture
def mafl(tmp_path: Path) -> Path:
    for folder in ("Anno", "Img/img_align_celeba", "MAFL"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Anno/list_landmarks_align_celeba.txt").write_text(LANDMARKS)
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f"Img/img_align_celeba/00000{number}.jpg"), np.full((218, 178, 3), 127, np.uint8))
    (tmp_path / "MAFL/training.txt").write_text("000003.jpg\n")
    (tmp_path / "MAFL/testing.txt").write_text("000001.jpg\n")
    return tmp_path


def test_points_split_and_crop(mafl: Path) -> None:
    benchmark = read_benchmark("mafl", mafl)
    assert list(benchmark.names) == ["000003.jpg", "000001.jpg"]
    assert list(benchmark.images) == [mafl / "Img/img_align_celeba" / name for name in benchmark.names]
    assert benchmark.split.tolist() == ["train", "test"]
    (task,) = benchmark.tasks
    assert (task.name, task.kind) == ("landmarks5", "points")
    expected = np.array([69, 109, 106, 113, 77, 142, 73, 152, 108, 154]) + 0.5
    np.testing.assert_array_equal(task.targets[1], expected)
    assert isinstance(task, Points)
    (normaliser,) = task.normalisers
    assert normaliser.name == "eye-centre distance"
    np.testing.assert_allclose(normaliser.measure(task.targets.reshape(-1, 5, 2))[1], np.hypot(37, 4))
    assert benchmark.seen_px is not None
    x0, y0, x1, y1 = benchmark.seen_px[0]
    assert (x1 - x0, y1 - y0) == (108, 113)
    assert (178 - x1, 218 - y1) == (35, 35)
    assert (x0, y0) == (35, 70)


def test_the_files_may_lie_in_the_folder_itself(mafl: Path) -> None:
    (mafl / "Anno/list_landmarks_align_celeba.txt").rename(mafl / "list_landmarks_align_celeba.txt")
    (mafl / "Img/img_align_celeba").rename(mafl / "img_align_celeba")
    for name in ("training.txt", "testing.txt"):
        (mafl / "MAFL" / name).rename(mafl / name)
    assert len(read_benchmark("mafl", mafl).names) == 2


def test_a_missing_list(mafl: Path) -> None:
    (mafl / "MAFL/testing.txt").unlink()
    with pytest.raises(InputError, match=r"mafl: no list of test images at .*MAFL/testing.txt \(or testing.txt\)"):
        read_benchmark("mafl", mafl)


def test_wrong_files(mafl: Path) -> None:
    (mafl / "MAFL/testing.txt").write_text("000003.jpg\n")
    with pytest.raises(InputError, match=r"testing.txt, line 1: 000003.jpg is also in the training list"):
        read_benchmark("mafl", mafl)
    (mafl / "MAFL/testing.txt").write_text("000009.jpg\n")
    with pytest.raises(InputError, match=r"has no points for 000009.jpg"):
        read_benchmark("mafl", mafl)
    (mafl / "MAFL/testing.txt").write_text("000002.jpg\n")
    (mafl / "Img/img_align_celeba/000002.jpg").unlink()
    with pytest.raises(InputError, match=r"mafl: 1 of 2 labelled images are missing, .*000002.jpg"):
        read_benchmark("mafl", mafl)
    (mafl / "Anno/list_landmarks_align_celeba.txt").write_text(LANDMARKS.replace("110", "eye"))
    with pytest.raises(InputError, match=r"celeba.txt, line 4: expected 10 numbers, found '69 eye 107"):
        read_benchmark("mafl", mafl)
