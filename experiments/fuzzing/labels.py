"""Small label files in the layouts of all protocols, with the listed images."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from fabnet.faces.units import UNITS

__all__ = ["write_labels"]

RANDOM = np.random.default_rng(0)
DATABASE = """
CREATE TABLE Faces (face_id INTEGER PRIMARY KEY, file_id TEXT, db_id TEXT);
CREATE TABLE FaceImages (image_id INTEGER PRIMARY KEY, db_id TEXT, file_id TEXT, filepath TEXT);
CREATE TABLE FacePose (face_id INTEGER, roll REAL, pitch REAL, yaw REAL);
CREATE TABLE FaceRect (face_id INTEGER, x INTEGER, y INTEGER, w INTEGER, h INTEGER);
INSERT INTO FaceImages VALUES (1, 'A', 'a.jpg', '0/a.jpg'), (2, 'A', 'b.jpg', '0/b.jpg');
INSERT INTO Faces VALUES (1, 'a.jpg', 'A'), (2, 'b.jpg', 'A');
INSERT INTO FacePose VALUES (1, 0.1, -0.2, 0.3), (2, 0, 0, 1);
INSERT INTO FaceRect VALUES (1, 2, 3, 5, 6), (2, 0, 0, 4, 4);
"""


def _write(file: Path, lines: Iterable[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def _images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((32, 32, 3), 127, np.uint8))


def _points(count: int) -> np.ndarray:
    return RANDOM.uniform(3, 29, (count, 2)).round(2)


def _words(*values: object) -> str:
    return " ".join(str(number) for value in values for number in np.ravel(np.asarray(value)))


def _w300(place: Path) -> None:
    for part in ("lfpw/trainset", "helen/trainset", "afw", "lfpw/testset", "helen/testset", "ibug"):
        lines = [_words(point) for point in _points(68)]
        _write(place / part / "a.pts", ["version: 1", "n_points: 68", "{", *lines, "}"])
        _images(place / part, "a.png")


def _aflw(place: Path) -> None:
    place.mkdir()
    with closing(sqlite3.connect(place / "aflw.sqlite")) as connection:
        connection.executescript(DATABASE)
    _images(place / "flickr", "0/a.jpg", "0/b.jpg")
    _write(place / "kepler_test.txt", ["0/b.jpg"])


def _aflw2000(place: Path) -> None:
    for folder, key in (("AFLW2000", "pt3d_68"), ("300W_LP/AFW", "pt2d")):
        for name in ("a_1", "b_1"):
            _images(place / folder, f"{name}.jpg")
            shape = (3, 68) if key == "pt3d_68" else (2, 68)
            content = {"Pose_Para": np.array([[0.1, 0.2, 0.3, 1, 2, 3, 0.1]]), key: RANDOM.uniform(0, 32, shape)}
            savemat(place / folder / f"{name}.mat", content)
    (place / "300W_LP/landmarks/AFW").mkdir(parents=True)
    savemat(place / "300W_LP/landmarks/AFW/a_1_pts.mat", {"pts_3d": _points(68)}, do_compression=True)


def _biwi(place: Path) -> None:
    for folder in ("01", "02"):
        _images(place / folder, "frame_00003_rgb.png")
        _write(place / folder / "frame_00003_pose.txt", ["1 0 0 ", "0 1 0 ", "0 0 1 ", "", "67.3 45.2 884.7 "])


def _affectnet(place: Path) -> None:
    for name in ("training.csv", "validation.csv"):
        rows = [f"1/{name}{label}.jpg,1,2,20,20,3;4;5;6,{label},0.1,0.2" for label in range(3)]
        header = (
            "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
        )
        _write(place / name, [header, *rows])
        _images(place / "Manually_Annotated_Images", *(row.split(",")[0] for row in rows))


def _affectnet_later(place: Path) -> None:
    for part in ("train_set", "val_set"):
        (place / part / "annotations").mkdir(parents=True)
        for number in range(3):
            np.save(place / part / "annotations" / f"{number}_exp.npy", np.array(str(number)))
            _images(place / part / "images", f"{number}.jpg")


def _ckplus(place: Path) -> None:
    columns = [f"AU{unit}" for unit in UNITS]
    rows = [f"a/{i}.png,S{i},v,1,{','.join(str((i + unit) % 2) for unit in UNITS)}" for i in range(4)]
    _write(place / "aus.csv", [",".join(["path", "subject", "video", "frame", *columns]), *rows])
    _images(place / "images", *(f"a/{i}.png" for i in range(4)))


def _emotionet(place: Path) -> None:
    header = "\t".join(["URL", "URL_orig", *(f"AU{unit}" for unit in range(1, 61))])
    for number, name in enumerate(("dataFile_0001.txt", "dataFile_1000.txt")):
        units = "\t".join(str((unit + number) % 2) for unit in range(60))
        _write(place / name, [header, f"http://x/N_{number}.jpg\thttp://y/x.jpg\t{units}"])
        _images(place / "images", f"N_{number}.jpg")


def _ferplus(place: Path) -> None:
    emotions = np.array(["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"])
    arrays = {
        f"{split}_{what}": RANDOM.integers(0, 9, (3, 10)) if what == "votes" else np.zeros((3, 48, 48), np.uint8)
        for split in ("train", "val", "test")
        for what in ("images", "votes")
    }
    place.mkdir()
    np.savez_compressed(place / "ferplus48.npz", emotions=emotions, **arrays)  # type: ignore[arg-type]


def _mafl(place: Path) -> None:
    names = [f"{number:06d}.jpg" for number in range(4)]
    header = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    rows = [f"{name} {_words(_points(5).astype(int))}" for name in names]
    _write(place / "Anno/list_landmarks_align_celeba.txt", ["4", header, *rows])
    _write(place / "MAFL/training.txt", names[:2])
    _write(place / "MAFL/testing.txt", names[2:])
    _images(place / "Img/img_align_celeba", *names)


def _mtfl(place: Path) -> None:
    columns = ["path", "split", *(f"{axis}{i}" for axis in "xy" for i in range(1, 6)), "gender,smile,glasses,pose5"]
    rows = [f"{i}.jpg,{'train' if i < 3 else 'test'},{_words(_points(5)).replace(' ', ',')},1,1,2,3" for i in range(4)]
    _write(place / "labels.csv", [",".join(columns), *rows])
    _images(place / "images", *(f"{i}.jpg" for i in range(4)))


def _rafdb(place: Path) -> None:
    names = ["train_00001", "train_00002", "test_0001"]
    _write(place / "basic/EmoLabel/list_patition_label.txt", [f"{name}.jpg {i + 1}" for i, name in enumerate(names)])
    _images(place / "basic/Image/aligned", *(f"{name}_aligned.jpg" for name in names))


def _wflw(place: Path) -> None:
    for part in ("train", "test"):
        rows = [f"{_words(_points(98), [0, 0, 30, 30], [0] * 6)} 0--Parade/{part}{i}.jpg" for i in range(2)]
        _write(place / f"list_98pt_rect_attr_train_test/list_98pt_rect_attr_{part}.txt", rows)
        _images(place / "WFLW_images/0--Parade", *(f"{part}{i}.jpg" for i in range(2)))


def _youtube_faces(place: Path) -> None:
    solid = np.column_stack([RANDOM.uniform(-1, 1, (68, 2)), RANDOM.uniform(-0.5, 0.5, 68)])
    lines = [",".join(["frame", *(f"{axis}{i}" for i in range(68) for axis in "xy")])]
    for person, frame in product(range(6), range(5)):
        turn = 0.4 * np.sin(person + 2.0 * frame)
        x = solid[:, 0] * np.cos(turn) + solid[:, 2] * np.sin(turn)
        points = (10 * np.column_stack([x, solid[:, 1]]) + 16).round(2)
        lines.append(f"P{person}/0/{frame}.jpg,{_words(points).replace(' ', ',')}")
        _images(place / "frames", f"P{person}/0/{frame}.jpg")
    _write(place / "landmarks68.csv", lines)
    splits = [f"P{person},{'train' if person < 4 else 'val'}" for person in range(6)]
    _write(place / "people.csv", ["person,split", *splits])


def _table(place: Path) -> None:
    rows = [f"{i}.jpg,p{i % 3},train,{_words(_points(2)).replace(' ', ',')},10,left,1,0.5" for i in range(6)]
    _write(place / "labels.csv", ["path,subject,split,x0,y0,x1,y1,yaw,side,smile,width", *rows])
    _images(place, *(f"{i}.jpg" for i in range(6)))


def _names(place: Path) -> None:
    """The person and the split of each video."""
    _write(place / "identities.csv", ["video,identity", "a.mp4,Ann", "b.mp4,Bob"])
    _write(place / "splits.csv", ["identity,split", "Ann,train", "Bob,val"])


LAYOUTS = {
    "300w": _w300, "aflw": _aflw, "aflw2000": _aflw2000, "biwi": _biwi, "affectnet": _affectnet,
    "affectnet.later": _affectnet_later, "ckplus": _ckplus, "emotionet": _emotionet, "ferplus": _ferplus,
    "mafl": _mafl, "mtfl": _mtfl, "rafdb": _rafdb, "wflw": _wflw, "youtube-faces": _youtube_faces, "table": _table,
    "names": _names,
}  # fmt: skip


def write_labels(place: Path) -> None:
    """Write one folder per layout; its name up to the first dot is the protocol."""
    for name, write in LAYOUTS.items():
        write(place / name)
