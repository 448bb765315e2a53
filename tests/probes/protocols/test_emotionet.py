from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark

URL = "http://cbcsnas01.ece.ohio-state.edu/EmotioNet/Images/happy/"
HEADER = "\t".join(["URL", "URL_orig", *(f"AU{unit}" for unit in range(1, 61))])


def line(name: str, **units: int) -> str:
    """A row of the challenge's lists; units are 0 unless given, as au12=1."""
    values = [str(units.get(f"au{unit}", 0)) for unit in range(1, 61)]
    return "\t".join([URL + name, "http://elsewhere/x.jpg", *values])


@pytest.fixture
def emotionet(tmp_path: Path) -> Path:
    lists = {
        "dataFile_0001.txt": [HEADER, line("N_1.jpg", au1=1, au26=1, au7=1), line("N_gone.jpg", au12=1)],
        "dataFile_0002.txt": [line("N_2.jpg", au2=999, au12=1)],
        "dataFile_1000.txt": [HEADER, line("N_3.jpg", au25=1, au1=999)],
    }
    for name, lines in lists.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    (tmp_path / "images/happy").mkdir(parents=True)
    for place in ("N_1.jpg", "happy/N_2.jpg", "happy/N_3.jpg"):
        cv2.imwrite(str(tmp_path / "images" / place), np.full((32, 32, 3), 127, np.uint8))
    return tmp_path


def test_units_split_and_unknowns(emotionet: Path) -> None:
    benchmark = read_benchmark("emotionet", emotionet)
    assert list(benchmark.names) == ["N_1.jpg", "N_2.jpg", "N_3.jpg"]  # N_gone was not downloaded
    assert benchmark.images[1] == emotionet / "images/happy/N_2.jpg"
    assert benchmark.split.tolist() == ["train", "train", "test"]
    (task,) = benchmark.tasks
    assert task.kind == "units"
    assert task.columns == ("AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU12", "AU17", "AU20", "AU25", "AU26")
    nan = np.nan
    expected = [
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        [0, nan, 0, 0, 0, 0, 1, 0, 0, 0, 0],
        [nan, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ]
    np.testing.assert_array_equal(task.targets, expected)


def test_a_file_name_of_two_urls_with_different_labels_is_left_out(emotionet: Path) -> None:
    second = emotionet / "dataFile_0002.txt"
    other = line("N_1.jpg", au12=1).replace("happy", "sad")
    same = line("N_2.jpg", au2=999, au12=1)
    second.write_text(second.read_text() + f"{other}\n{same}\n")
    assert list(read_benchmark("emotionet", emotionet).names) == ["N_2.jpg", "N_3.jpg"]


def test_columns_are_found_by_name(emotionet: Path) -> None:
    units = (26, 25, 20, 17, 12, 9, 6, 5, 4, 2, 1)
    header = ",".join(["URL", *(f"'AU {unit}'" for unit in units)])
    (emotionet / "train.csv").write_text(f"{header}\n{URL}N_1.jpg,1,0,0,0,0,0,0,0,0,999,0\n")
    (emotionet / "validation.csv").write_text(f"{header}\n{URL}N_3.jpg,0,0,0,0,0,0,0,0,0,0,1\n")
    benchmark = read_benchmark("emotionet", emotionet)
    assert list(benchmark.names) == ["N_1.jpg", "N_3.jpg"]
    np.testing.assert_array_equal(benchmark.tasks[0].targets[0], [0, np.nan, *[0] * 8, 1])
    np.testing.assert_array_equal(benchmark.tasks[0].targets[1], [1, *[0] * 10])


def test_missing_and_wrong_files(emotionet: Path) -> None:
    (emotionet / "dataFile_0002.txt").write_text(line("N_2.jpg", au4=7) + "\n")
    with pytest.raises(InputError, match=r"dataFile_0002.txt, line 1: expected 0, 1 or 999 for each unit, found '7'"):
        read_benchmark("emotionet", emotionet)
    (emotionet / "dataFile_0002.txt").write_text(URL + "N_2.jpg\t1\n")
    with pytest.raises(InputError, match=r"dataFile_0002.txt, line 1: expected 0, 1 or 999 for each unit, found ''"):
        read_benchmark("emotionet", emotionet)
    (emotionet / "dataFile_0002.txt").write_text(line("N_3.jpg") + "\n")
    with pytest.raises(InputError, match=r"dataFile_1000.txt: N_3.jpg is also in the training lists"):
        read_benchmark("emotionet", emotionet)
    (emotionet / "dataFile_0002.txt").unlink()
    (emotionet / "images/happy/N_3.jpg").unlink()
    with pytest.raises(InputError, match=r"emotionet: no test image found in .*images"):
        read_benchmark("emotionet", emotionet)
    (emotionet / "dataFile_1000.txt").unlink()
    with pytest.raises(InputError, match=r"emotionet: no list of validation images at .*dataFile_1000.txt"):
        read_benchmark("emotionet", emotionet)
