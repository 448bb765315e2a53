"""The protocols on openly available data, in exactly their layouts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.points import Points

MTFL = """path,split,x1,x2,x3,x4,x5,y1,y2,y3,y4,y5,gender,smile,glasses,pose5
lfw/a.jpg,train,30,50,40,33,47,35,36,45,52,51,1,1,2,3
lfw/b.jpg,train,31,51,41,34,48,36,37,46,53,52,2,2,1,1
aflw/c.jpg,test,32,52,42,35,49,37,38,47,54,53,,,,
"""
POINTS_HEADER = ",".join(["frame", *(f"{axis}{i}" for i in range(68) for axis in "xy")])


def touch(folder: Path, *names: str) -> None:
    """Create empty files: the reader only checks that they exist."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_mtfl(tmp_path: Path) -> None:
    touch(tmp_path / "images", "lfw/a.jpg", "lfw/b.jpg", "aflw/c.jpg")
    (tmp_path / "labels.csv").write_text(MTFL)
    benchmark = read_benchmark("mtfl", tmp_path)
    assert benchmark.split.tolist() == ["train", "train", "test"]
    assert benchmark.people is None
    points, pose, smile, glasses = benchmark.tasks
    np.testing.assert_array_equal(points.targets[0], [30, 35, 50, 36, 40, 45, 33, 52, 47, 51])
    np.testing.assert_array_equal(pose.targets[:, 0], [2, 0, np.nan])
    np.testing.assert_array_equal(smile.targets[:, 0], [1, 0, np.nan])
    np.testing.assert_array_equal(glasses.targets[:, 0], [0, 1, np.nan])
    assert pose.columns[0] == "left profile"
    assert [task.can_mirror for task in benchmark.tasks] == [False, False, True, True]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("smile", "smiles", "has no column smile"),
        ("b.jpg,train,31", "b.jpg,train,x", "line 3: expected 10 numbers, found 'x "),
        (",1,1,2,3", ",1,3,2,3", r"line 2: smile must be 1 \(yes\), 2 \(no\) or empty; found '3'"),
        ("2,3\n", "2,6\n", "pose5 must be 1 to 5"),
        (",1,1,2,3\n", "\n", "line 2: expected 16 cells"),
        ("lfw/b.jpg", "lfw/a.jpg", "name lfw/a.jpg more than once"),
        ("a.jpg,train", "a.jpg,trian", "split must be train, val or test; found"),
    ],
)
def test_wrong_mtfl_labels_are_reported(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels.csv").write_text(MTFL.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_benchmark("mtfl", tmp_path)


def fer_arrays() -> dict[str, np.ndarray]:
    emotions = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    arrays: dict[str, np.ndarray] = {"emotions": np.array(emotions)}
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        arrays[f"{split}_images"] = np.arange(count, dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2)
        votes = np.zeros((count, 10), np.int64)
        votes[:, 1], votes[0, 3], votes[:, 9] = 4, 6, 9
        arrays[f"{split}_votes"] = votes
    return arrays


def test_ferplus(tmp_path: Path) -> None:
    np.savez(tmp_path / "ferplus48.npz", **fer_arrays())  # type: ignore[arg-type]
    benchmark = read_benchmark("ferplus", tmp_path)
    assert benchmark.split.tolist() == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    (task,) = benchmark.tasks
    # "Not a face" has the most votes everywhere, but is not an expression.
    assert task.targets[:, 0].tolist() == [3, 1, 1, 1, 3, 1, 3, 1, 1]
    assert task.columns == ("neutral", "happy", "surprise", "sad", "anger", "disgust", "fear", "contempt")
    assert task.headline == ("neutral", "happy", "surprise", "sad", "anger", "fear")
    image = benchmark.images[2]
    assert isinstance(image, np.ndarray)
    assert image.shape == (48, 48, 3)
    assert (image == 2).all()


def test_wrong_ferplus_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no ferplus48.npz, the stills with their votes"):
        read_benchmark("ferplus", tmp_path)
    (tmp_path / "ferplus48.npz").write_bytes(b"PK no")
    with pytest.raises(InputError, match="cannot be read"):
        read_benchmark("ferplus", tmp_path)
    arrays = fer_arrays()
    np.savez(tmp_path / "ferplus48.npz", **(arrays | {"val_votes": arrays["train_votes"]}))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"expected val_images \(n, H, W\) uint8 and val_votes \(n, 10\)"):
        read_benchmark("ferplus", tmp_path)


def ck_rows(cell: str = "0") -> str:
    columns = [f"AU{unit}" for unit in (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 27)]
    lines = [",".join(["path", "subject", "video", "frame", "emotion_folder", *columns])]
    for subject in range(13):
        units = ["1" if (subject + i) % 3 == 0 else cell for i in range(len(columns))]
        lines.append(",".join([f"CK+48/anger/S{subject:03d}_1.png", f"S{subject:03d}", "v", "1", "anger", *units]))
    return "\n".join(lines) + "\n"


def test_ckplus(tmp_path: Path) -> None:
    touch(tmp_path / "images/anger", *(f"S{subject:03d}_1.png" for subject in range(13)))
    (tmp_path / "aus.csv").write_text(ck_rows())
    benchmark = read_benchmark("ckplus", tmp_path)
    assert benchmark.folds == 10
    assert benchmark.people is not None
    assert benchmark.people[3] == "S003"
    (task,) = benchmark.tasks
    assert task.targets.shape == (13, 11)
    assert task.targets[1].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]
    assert benchmark.images[0] == tmp_path / "images/anger/S000_1.png"
    (tmp_path / "aus.csv").write_text(ck_rows("2"))
    with pytest.raises(InputError, match="line 2: AU2 must be 0, 1 or empty; found '2'"):
        read_benchmark("ckplus", tmp_path)


def face(person: int, frame: int) -> np.ndarray:
    """(68, 2) pixels of a synthetic face, rotated by some angle."""
    generator = np.random.default_rng(7)
    solid = np.column_stack([generator.uniform(-1, 1, (68, 2)), generator.uniform(-0.5, 0.5, 68)])
    turn, tilt = 0.5 * np.sin(person + 2.0 * frame), 0.3 * np.cos(2.0 * person + frame)
    x = solid[:, 0] * np.cos(turn) + solid[:, 2] * np.sin(turn)
    y = solid[:, 1] * np.cos(tilt) + solid[:, 2] * np.sin(tilt)
    return np.column_stack([40 * x, 55 * y]) + 100


@pytest.fixture
def youtube(tmp_path: Path) -> Path:
    lines = [POINTS_HEADER]
    for person in range(12):
        for frame in range(3):
            points = ",".join(f"{value:.2f}" for value in face(person, frame).reshape(-1))
            lines.append(f"P{person}/0/{frame}.jpg,{points}")
    touch(tmp_path / "frames", *(f"P{person}/0/{frame}.jpg" for person in range(12) for frame in range(3)))
    (tmp_path / "landmarks68.csv").write_text("\n".join(lines) + "\n")
    splits = [f"P{person},{'train' if person < 8 else 'val' if person < 10 else 'test'}" for person in range(12)]
    (tmp_path / "people.csv").write_text("\n".join(["person,split", *splits]) + "\n")
    return tmp_path


def test_youtube_faces(youtube: Path) -> None:
    benchmark = read_benchmark("youtube-faces", youtube)
    assert len(benchmark.names) == 36
    assert benchmark.people is not None
    place = list(benchmark.names).index("P9/0/2.jpg")
    assert (benchmark.people[place], benchmark.split[place]) == ("P9", "val")
    assert benchmark.images[place] == youtube / "frames/P9/0/2.jpg"
    points, pose, mouth, eyes = benchmark.tasks
    np.testing.assert_allclose(points.targets[place].reshape(68, 2), face(9, 2), atol=0.006)
    assert isinstance(points, Points)
    assert [norm.name for norm in points.normalisers] == ["outer-eye distance", "points' box side"]
    assert pose.columns == ("roll", "pitch", "yaw")
    expected = np.linalg.norm(face(9, 2)[62] - face(9, 2)[66]) / np.ptp(face(9, 2)[:, 1])
    assert mouth.targets[place, 0] == pytest.approx(expected, rel=0.01)
    lids = np.mean([np.linalg.norm(face(9, 2)[a] - face(9, 2)[b]) for a, b in ((37, 41), (38, 40), (43, 47), (44, 46))])
    assert eyes.targets[place, 0] == pytest.approx(lids / np.ptp(face(9, 2)[:, 1]), rel=0.01)


def test_wrong_youtube_faces_labels_are_reported(youtube: Path) -> None:
    labels = youtube / "landmarks68.csv"
    labels.write_text(labels.read_text() + "\n")
    assert len(read_benchmark("youtube-faces", youtube).names) == 36  # a blank line does not count
    labels.write_text(labels.read_text() + "P0/0/9.jpg,1,2\n")
    with pytest.raises(InputError, match="line 39: expected 137 cells"):
        read_benchmark("youtube-faces", youtube)
    labels.unlink()
    with pytest.raises(InputError, match="no such landmark file"):
        read_benchmark("youtube-faces", youtube)


def test_a_person_without_a_split_is_reported(youtube: Path) -> None:
    people = youtube / "people.csv"
    people.write_text(people.read_text().replace("P3,train\n", ""))
    with pytest.raises(InputError, match="has no split for P3"):
        read_benchmark("youtube-faces", youtube)


TABLE = """path,subject,split,x0,y0,x1,y1,yaw,mood,smile,age
a.jpg,s1,train,1,2,3,4,10.5,calm,1,30
b.jpg,s2,val,5,6,,,,angry,0,
c.jpg,s3,test,7,8,9,10,-3,,,41.5
"""


def test_your_own_table(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(TABLE)
    with pytest.raises(InputError, match=r"own.csv: 3 of 3 labelled images are missing, .*a.jpg"):
        read_benchmark(str(tmp_path / "own.csv"), tmp_path / "photos")
    touch(tmp_path / "photos", "a.jpg", "b.jpg", "c.jpg")
    benchmark = read_benchmark(str(tmp_path / "own.csv"), tmp_path / "photos")
    assert (benchmark.name, benchmark.split.tolist()) == ("own.csv", ["train", "val", "test"])
    assert benchmark.images[1] == tmp_path / "photos/b.jpg"
    assert {task.name: task.kind for task in benchmark.tasks} == {
        "landmarks": "points", "pose": "angles", "mood": "classes", "smile": "units", "age": "values",
    }  # fmt: skip
    by_name = {task.name: task for task in benchmark.tasks}
    np.testing.assert_array_equal(by_name["landmarks"].targets[1], [5, 6, np.nan, np.nan])
    assert by_name["pose"].columns == ("yaw",)
    assert by_name["mood"].columns == ("angry", "calm")
    np.testing.assert_array_equal(by_name["mood"].targets[:, 0], [1, 0, np.nan])
    np.testing.assert_array_equal(by_name["age"].targets[:, 0], [30, np.nan, 41.5])


def test_spaces_after_commas_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "OWN.CSV").write_text("path, subject, split, smile\na.jpg, s1, val, 1\nb.jpg, s2, test, 0\n")
    touch(tmp_path, "a.jpg", "b.jpg")
    benchmark = read_benchmark(str(tmp_path / "OWN.CSV"), tmp_path)
    assert benchmark.people is not None
    assert (benchmark.people.tolist(), benchmark.split.tolist()) == (["s1", "s2"], ["val", "test"])
    assert [task.name for task in benchmark.tasks] == ["smile"]


def test_a_table_without_split_is_split_by_subject(tmp_path: Path) -> None:
    rows = [f"{i}.jpg,s{i // 4},{i}" for i in range(400)]
    touch(tmp_path, *(f"{i}.jpg" for i in range(400)))
    (tmp_path / "own.csv").write_text("\n".join(["path,subject,value", *rows]) + "\n")
    benchmark = read_benchmark(str(tmp_path / "own.csv"), tmp_path)
    assert set(benchmark.split) == {"train", "val", "test"}
    assert all(len(set(benchmark.split[4 * i : 4 * i + 4])) == 1 for i in range(100))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,a\nx,1\n", "has no column path; expected path"),
        ("path,a\n", "has no rows"),
        ("path\nx\n", "has no target column"),
        ("path,a\nx,1\nx,2\n", "name x more than once"),
        ("path,yaw\nx,left\n", "line 2: expected a number or an empty cell, found 'left'"),
        ("path,yaw\n\nx,1\n\ny,left\n", "line 5: expected a number or an empty cell, found 'left'"),
        ("path,a\nx,1\n\ny\n", "line 4: expected 2 cells"),
        ("path,subject,a\nx,,1\n", "line 2: subject is empty"),
        ("path,Subject,a\nx,s,1\n", "has a column Subject; expected subject, in lower case"),
        ("path,x1,y1,x2,y2\nx,1,2,3,4\n", "has a column x1; expected points x0, y0, x1, y1"),
        ("path,age\nx,30\ny,NA\nz,41\n", "column age holds numbers and 'NA'; leave unknown cells empty"),
        ("path,split,a\nx,dev,1\n", "split must be train, val or test; found 'dev'"),
    ],
)
def test_wrong_tables_are_reported(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_benchmark(str(tmp_path / "own.csv"), tmp_path)


def test_a_table_that_is_not_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b"path,a\nx,\xe9\n")
    with pytest.raises(InputError, match=r"cannot be read as text: .*save it as UTF-8"):
        read_benchmark(str(tmp_path / "own.csv"), tmp_path)


def test_an_unknown_protocol_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such label file"):
        read_benchmark(str(tmp_path / "none.csv"), tmp_path)
    with pytest.raises(InputError, match="did you mean ferplus"):
        read_benchmark("fer-plus", tmp_path)


@pytest.mark.parametrize(
    ("name", "folder", "faces", "splits"),
    [
        ("youtube-faces", "youtube_faces", 3516, {"train": 2418, "val": 357, "test": 741}),
        ("mtfl", "mtfl", 12992, {"train": 9997, "test": 2995}),
        ("ferplus", "ferplus", 17532, {"train": 12000, "val": 2816, "test": 2716}),
        ("ckplus", "ckplus48", 981, {"train": 981}),
    ],
)
def test_the_real_data_match_their_readme(
    shared_data: Path, name: str, folder: str, faces: int, splits: dict[str, int]
) -> None:
    benchmark = read_benchmark(name, shared_data / folder)
    assert len(benchmark.names) == faces
    assert {str(split): int((benchmark.split == split).sum()) for split in np.unique(benchmark.split)} == splits
    image = benchmark.images[-1]
    assert isinstance(image, np.ndarray) or cv2.imread(str(image)) is not None
