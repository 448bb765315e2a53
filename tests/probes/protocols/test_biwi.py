from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark

SIN, COS = 0.5, np.sqrt(0.75)
LEFT = [[COS, 0, SIN], [0, 1, 0], [-SIN, 0, COS]]  # x right, y down, z away: the nose, -z, goes to -x
CLOCKWISE = [[COS, -SIN, 0], [SIN, COS, 0], [0, 0, 1]]  # x goes towards y, which points down


def frame(folder: Path, number: int, rotation: list[list[float]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"frame_{number:05d}_rgb.png"), np.full((48, 64, 3), 127, np.uint8))
    lines = [" ".join(f"{value:.6f}" for value in row) + " " for row in rotation]
    (folder / f"frame_{number:05d}_pose.txt").write_text("\n".join([*lines, "", "67.3 45.2 884.7 ", ""]))


@pytest.fixture
def biwi(tmp_path: Path) -> Path:
    frame(tmp_path / "03", 4, LEFT)
    frame(tmp_path / "03", 10, np.eye(3).tolist())
    frame(tmp_path / "04", 3, CLOCKWISE)
    frame(tmp_path / "15", 3, np.eye(3).tolist())
    (tmp_path / "03.obj").write_text("")
    return tmp_path


def test_angles_people_and_folds(biwi: Path) -> None:
    benchmark = read_benchmark("biwi", biwi)
    assert list(benchmark.names) == [
        "03/frame_00004_rgb.png",
        "03/frame_00010_rgb.png",
        "04/frame_00003_rgb.png",
        "15/frame_00003_rgb.png",
    ]
    assert benchmark.people is not None
    assert benchmark.people.tolist() == ["03", "03", "04", "03"]  # 15 shows the person of 03
    assert benchmark.folds == 5
    (task,) = benchmark.tasks
    assert task.columns == ("roll", "pitch", "yaw")
    np.testing.assert_allclose(task.targets, [[0, 0, 30], [0, 0, 0], [-30, 0, 0], [0, 0, 0]], atol=1e-4)


def test_the_folders_may_lie_in_hpdb(biwi: Path) -> None:
    (biwi / "hpdb").mkdir()
    for name in ("03", "04", "15"):
        (biwi / name).rename(biwi / "hpdb" / name)
    benchmark = read_benchmark("biwi", biwi)
    assert benchmark.names[0] == "03/frame_00004_rgb.png"
    assert benchmark.images[0] == biwi / "hpdb/03/frame_00004_rgb.png"


def test_missing_and_wrong_files(biwi: Path) -> None:
    (biwi / "04/frame_00003_pose.txt").write_text("1 0 0\n0 2 0\n0 0 1\n\n0 0 900\n")
    with pytest.raises(
        InputError, match=r"frame_00003_pose.txt: expected three lines of a rotation and one of a position"
    ):
        read_benchmark("biwi", biwi)
    (biwi / "04/frame_00003_pose.txt").write_text("1 0 0\n0 1\n")
    with pytest.raises(InputError, match=r"frame_00003_pose.txt, line 2: expected 3 numbers, found '0 1'"):
        read_benchmark("biwi", biwi)


def test_a_missing_image(biwi: Path) -> None:
    (biwi / "04/frame_00003_rgb.png").unlink()
    with pytest.raises(InputError, match=r"biwi: 1 of 4 labelled images are missing, .*04/frame_00003_rgb.png"):
        read_benchmark("biwi", biwi)
