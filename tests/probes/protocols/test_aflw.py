from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.aflw import read
from fabnet.probes.protocols.registry import read_benchmark

TABLES = """
CREATE TABLE Faces (face_id INTEGER PRIMARY KEY, file_id TEXT, db_id TEXT);
CREATE TABLE FaceImages (image_id INTEGER PRIMARY KEY, db_id TEXT, file_id TEXT, filepath TEXT, bw INTEGER,
                         width INTEGER, height INTEGER);
CREATE TABLE FacePose (face_id INTEGER, roll REAL, pitch REAL, yaw REAL, annot_type_id INTEGER);
CREATE TABLE FaceRect (face_id INTEGER, x INTEGER, y INTEGER, w INTEGER, h INTEGER, annot_type_id INTEGER);
INSERT INTO FaceImages VALUES (1, 'AFLW', 'image00002.jpg', '0/image00002.jpg', 0, 300, 200);
INSERT INTO FaceImages VALUES (2, 'AFLW', 'image00004.jpg', '2/image00004.jpg', 0, 300, 200);
INSERT INTO FaceImages VALUES (3, 'AFLW', 'image00006.jpg', '3/image00006.jpg', 0, 300, 200);
INSERT INTO Faces VALUES (101, 'image00002.jpg', 'AFLW'), (102, 'image00004.jpg', 'AFLW'),
                         (103, 'image00004.jpg', 'AFLW'), (104, 'image00006.jpg', 'AFLW'),
                         (105, 'image00006.jpg', 'AFLW');
INSERT INTO FacePose VALUES (101, 0.1, -0.2, 0.3, 1), (102, 0, 0, 1, 1), (103, 0, 0, -1, 1), (104, 0.5, 0, 0, 1);
INSERT INTO FaceRect VALUES (101, 20, 30, 50, 60, 1), (102, 0, 0, 40, 40, 1), (103, 60, 0, 40, 40, 1),
                            (104, 1, 2, 3, 4, 1), (104, 9, 9, 9, 9, 2), (105, 0, 0, 9, 9, 1);
"""


@pytest.fixture
def aflw(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "aflw.sqlite")) as connection:
        connection.executescript(TABLES)
    for name in ("0/image00002.jpg", "2/image00004.jpg", "3/image00006.jpg"):
        (tmp_path / "flickr" / name).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "flickr" / name), np.full((200, 300, 3), 127, np.uint8))
    (tmp_path / "kepler_test.txt").write_text("flickr/2/image00004.jpg\n")
    return tmp_path


def test_angles_are_roll_pitch_yaw_in_degrees(aflw: Path) -> None:
    benchmark = read_benchmark("aflw", aflw)
    assert list(benchmark.names) == [
        "0/image00002.jpg#101",
        "2/image00004.jpg#102",
        "2/image00004.jpg#103",
        "3/image00006.jpg#104",
    ]
    assert benchmark.split.tolist() == ["train", "test", "test", "train"]  # 105 has no pose
    assert benchmark.images[0] == aflw / "flickr/0/image00002.jpg"
    (task,) = benchmark.tasks
    assert task.columns == ("roll", "pitch", "yaw")
    np.testing.assert_allclose(task.targets[0], np.degrees([0.1, -0.2, 0.3]))
    np.testing.assert_allclose(task.targets[2], [0, 0, -57.29577951])
    assert benchmark.seen_px is not None  # the published crop
    np.testing.assert_array_equal(benchmark.seen_px[[0, 3]], [[20, 30, 70, 90], [1, 2, 4, 6]])
    assert benchmark.notes == ()


@pytest.mark.parametrize("line", ["2/image00004.jpg", "image00004.jpg"])
def test_an_image_may_be_listed_by_path_or_name(aflw: Path, line: str) -> None:
    (aflw / "kepler_test.txt").write_text(f"{line}\n\n")
    assert read_benchmark("aflw", aflw).split.tolist() == ["train", "test", "test", "train"]


def test_other_faces_of_a_test_faces_image_are_left_out(aflw: Path) -> None:
    (aflw / "kepler_test.txt").write_text("103\n")
    benchmark = read_benchmark("aflw", aflw)
    assert list(benchmark.names) == ["0/image00002.jpg#101", "2/image00004.jpg#103", "3/image00006.jpg#104"]
    assert benchmark.split.tolist() == ["train", "test", "train"]


def test_without_a_list_the_test_images_follow_a_rule(aflw: Path) -> None:
    (aflw / "kepler_test.txt").unlink()
    with closing(sqlite3.connect(aflw / "aflw.sqlite")) as connection:
        for number in range(200, 5400):
            connection.execute("INSERT INTO FaceImages VALUES (?, 'AFLW', ?, ?, 0, 9, 9)", [number, f"{number}", "0/x"])
            connection.execute("UPDATE FaceImages SET filepath = ? WHERE image_id = ?", [f"0/{number}.jpg", number])
            connection.execute("INSERT INTO Faces VALUES (?, ?, 'AFLW')", [number, f"{number}"])
            connection.execute("INSERT INTO FacePose VALUES (?, 0, 0, 0, 1)", [number])
            connection.execute("INSERT INTO FaceRect VALUES (?, 0, 0, 9, ?, 1)", [number, 0 if number == 200 else 9])
        connection.commit()
    benchmark = read(aflw)
    assert not any(name.endswith("#200") for name in benchmark.names)  # its rectangle is empty
    images = np.array([name.split("#")[0] for name in benchmark.names])
    test = set(images[benchmark.split == "test"])
    assert len(test) == 1000
    assert not test & set(images[benchmark.split == "train"])
    hashes = {image: hashlib.sha256(image.encode()).hexdigest() for image in images}
    assert max(hashes[image] for image in test) < min(hashes[image] for image in set(images) - test)
    assert "drawn by a rule, and are not KEPLER's" in benchmark.notes[0]


def test_the_database_is_not_written(aflw: Path) -> None:
    before = (aflw / "aflw.sqlite").read_bytes()
    read_benchmark("aflw", aflw)
    assert (aflw / "aflw.sqlite").read_bytes() == before
    assert sorted(path.name for path in aflw.iterdir()) == ["aflw.sqlite", "flickr", "kepler_test.txt"]


def test_missing_and_wrong_files(aflw: Path) -> None:
    (aflw / "kepler_test.txt").write_text("image09999.jpg\n")
    with pytest.raises(InputError, match=r"kepler_test.txt, line 1: .* no pose for the image or face 'image09999.jpg'"):
        read_benchmark("aflw", aflw)
    (aflw / "kepler_test.txt").write_text("101\n")
    (aflw / "flickr/3/image00006.jpg").unlink()
    with pytest.raises(InputError, match=r"aflw: 1 of 4 labelled images are missing, .*image00006.jpg"):
        read_benchmark("aflw", aflw)
    (aflw / "aflw.sqlite").write_text("no database")
    with pytest.raises(InputError, match=r"aflw.sqlite is not AFLW's database .*expected the tables Faces"):
        read_benchmark("aflw", aflw)
