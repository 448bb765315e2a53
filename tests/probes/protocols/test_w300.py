from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.points import Points

FACES = {
    "afw/134212_1.jpg": "train",
    "helen/testset/296814969_1.jpg": "test",
    "helen/trainset/100032540_1.jpg": "train",
    "ibug/image_003_1.jpg": "test",
    "lfpw/testset/image_0001.png": "test",
    "lfpw/trainset/image_0001.png": "train",
}


def points_of(number: int) -> np.ndarray:
    """68 points within x 21-81 and y 41-91, shifted by the number of the face."""
    points = np.random.default_rng(number).uniform([21, 41], [81, 91], (68, 2)).round(3)
    points[0], points[1] = (21, 41), (81, 91)
    points[36], points[45] = (30, 50), (60, 90)
    points[37:42], points[42:48] = (30, 50), (60, 90)
    return points + number


@pytest.fixture
def w300(tmp_path: Path) -> Path:
    for number, name in enumerate(FACES):
        image = tmp_path / name
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), np.full((120, 110, 3), 127, np.uint8))
        lines = "\n".join(f"{x:.3f} {y:.3f}" for x, y in points_of(number))
        image.with_suffix(".pts").write_text(f"version: 1\nn_points:  68\n{{\n{lines}\n}}\n")
    return tmp_path


def test_points_split_and_crop(w300: Path) -> None:
    for suffix in (".jpg", ".pts"):
        (w300 / f"afw/134212_1_mirror{suffix}").write_bytes((w300 / f"afw/134212_1{suffix}").read_bytes())
    benchmark = read_benchmark("300w", w300)
    assert dict(zip(benchmark.names, benchmark.split.tolist(), strict=True)) == FACES
    assert benchmark.split.tolist() == ["train"] * 3 + ["test"] * 3
    assert benchmark.images[0] == w300 / "lfpw/trainset/image_0001.png"
    (task,) = benchmark.tasks
    assert task.name == "landmarks68"
    np.testing.assert_allclose(task.targets[0], points_of(5).ravel() - 0.5)  # Matlab's first pixel is at 1, ours at 0.5
    assert benchmark.face_px is not None
    assert benchmark.seen_px is not None
    np.testing.assert_allclose(benchmark.face_px[0], [25.5, 45.5, 85.5, 95.5])
    np.testing.assert_allclose(benchmark.seen_px[0], [19.5, 40.5, 91.5, 100.5])  # 60 x 50 grown by 6 and 5 on each side
    assert isinstance(task, Points)
    measured = {each.name: each.measure(task.targets.reshape(-1, 68, 2))[0] for each in task.normalisers}
    assert list(measured) == ["outer-eye distance", "eye-centre distance", "points' box side"]
    np.testing.assert_allclose(list(measured.values()), [50, 50, np.sqrt(60 * 50)])


def test_the_eye_centres_are_means_of_six_points(w300: Path) -> None:
    label = w300 / "afw/134212_1.pts"
    lines = label.read_text().splitlines()
    lines[3 + 36] = "24.000 50.000"  # one of six points 6 px to the left: the centre by 1 px
    label.write_text("\n".join(lines))
    (task,) = read_benchmark("300w", w300).tasks
    assert isinstance(task, Points)
    place = 2
    outer, centres, _ = (each.measure(task.targets.reshape(-1, 68, 2))[place] for each in task.normalisers)
    np.testing.assert_allclose([outer, centres], [np.hypot(36, 40), np.hypot(31, 40)])


def test_a_missing_part(w300: Path) -> None:
    (w300 / "ibug").rename(w300 / "iBUG-elsewhere")
    with pytest.raises(
        InputError, match=r"300w: no folder of test faces at .*ibug; its layout is in docs/protocols.md"
    ):
        read_benchmark("300w", w300)


def test_wrong_files(w300: Path) -> None:
    label = w300 / "afw/134212_1.pts"
    good = label.read_text()
    label.write_text(good.replace("}", "1.0 2.0\n}"))
    with pytest.raises(InputError, match=r"134212_1.pts: expected 68 points between braces, found 69"):
        read_benchmark("300w", w300)
    label.write_text("version: 1\nn_points: 68\n{\n1.0\n}\n")
    with pytest.raises(InputError, match=r"134212_1.pts, line 4: expected 2 numbers, found '1.0'"):
        read_benchmark("300w", w300)
    label.write_text(good)
    label.with_suffix(".jpg").unlink()
    with pytest.raises(InputError, match=r"300w: no png or jpg image next to .*134212_1.pts"):
        read_benchmark("300w", w300)
    label.unlink()
    with pytest.raises(InputError, match=r"300w: no .pts file in .*afw"):
        read_benchmark("300w", w300)
