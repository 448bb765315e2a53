"""AFLW: head pose.

Layout:

    aflw.sqlite         the release's database; its tables Faces, FaceImages, FacePose and FaceRect are read
    flickr/0/*.jpg ...  its images, at the database's paths
    kepler_test.txt     optional: the test images, one per line: the database's path (0/image00002.jpg), its file name,
                        or a face's id (39341)

Split: the faces of the listed images, or with the listed ids, are the test set; other faces of a test image are left
out; the rest is training. Without a list, all faces of 1,000 images are the test set, those whose paths have the
smallest SHA-256 hashes (of fewer than 5,000 images, a fifth). Crop: the labelled rectangle of `FaceRect`. Metric: mean
absolute error of roll, pitch and yaw in degrees, and their mean. The database's angles are radians, with the signs of
this project.

Uncertain: the list. AFLW has no official split; KEPLER's 1,000 test images are not in its release, and how they were
drawn is not known here. Ours are another 1,000 by a fixed rule: scores are comparable among those who use it, and with
KEPLER's only as far as two such sets are alike. The crop: the demo of FAb-Net's authors cuts a square around the face
out of image66922.jpg (x 237-332, y 228-323), which is taken to be its rectangle. A face without a pose or rectangle is
left out, and of several only the first counts. The signs are those that Hopenet's reader implies (roll opposite to
300W-LP's; pitch and yaw the same); the order of the axes is not documented.

Source: Koestinger et al.: Annotated facial landmarks in the wild, ICCV workshops 2011; Kumar et al.: KEPLER, FG 2017,
for the test images.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, lines_of
from fabnet.probes.tasks.quantities import Angles

__all__ = ["read"]

QUERY = """
SELECT Faces.face_id, FaceImages.filepath, FacePose.roll, FacePose.pitch, FacePose.yaw,
       FaceRect.x, FaceRect.y, FaceRect.w, FaceRect.h
FROM Faces
JOIN FaceImages ON FaceImages.file_id = Faces.file_id
JOIN FacePose ON FacePose.face_id = Faces.face_id
JOIN FaceRect ON FaceRect.face_id = Faces.face_id
ORDER BY Faces.face_id
"""
LIST = "kepler_test.txt"
NUM_TEST = 1000
LARGEST_SHARE = 5
"""The test images are at most one in so many."""


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces by id.

    Raises:
        InputError: a file is missing or malformed, or the list names a face that the database lacks.
    """
    database = find("aflw", data, "database", "aflw.sqlite")
    folder = find("aflw", data, "folder of images", "flickr")
    list_file = data / LIST
    faces: dict[int, tuple[str, list[float]]] = {}
    for face, image, *numbers in _rows(database):
        if all(isinstance(number, int | float) for number in numbers) and min(numbers[5:]) > 0:
            faces.setdefault(int(face), (str(image), [float(number) for number in numbers]))
    image_of = {face: image for face, (image, _) in faces.items()}
    has_list = list_file.exists()
    listed = _listed(list_file, image_of) if has_list else _drawn(image_of)
    of_test_images = {faces[face][0] for face in listed}
    kept = [face for face in faces if face in listed or faces[face][0] not in of_test_images]
    images = [folder / faces[face][0] for face in kept]
    table = np.array([faces[face][1] for face in kept]).reshape(-1, 7)
    rectangles = table[:, 3:]
    return Benchmark(
        name="aflw",
        images=images,
        names=[f"{faces[face][0]}#{face}" for face in kept],
        split=np.array(["test" if face in listed else "train" for face in kept]),
        tasks=(Angles(name="pose", targets=np.degrees(table[:, :3]), columns=ANGLES),),
        seen_px=np.concatenate([rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:]], axis=1),
        notes=() if has_list else (f"{data} has no {LIST}: the test images are drawn by a rule, and are not KEPLER's",),
    )


def _rows(database: Path) -> list[tuple]:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(QUERY).fetchall()
    except sqlite3.Error as error:
        raise InputError(
            f"{database} is not AFLW's database ({error}): expected the tables Faces, FaceImages, FacePose and FaceRect"
        ) from error


def _drawn(image_of: dict[int, str]) -> set[int]:
    """The ids of the faces of the images whose paths have the smallest hashes."""
    images = sorted(set(image_of.values()), key=lambda image: hashlib.sha256(image.encode()).digest())
    chosen = set(images[: min(NUM_TEST, max(1, len(images) // LARGEST_SHARE))])
    return {face for face, image in image_of.items() if image in chosen}


def _listed(list_file: Path, image_of: dict[int, str]) -> set[int]:
    """The ids of the faces that the list names."""
    named: dict[str, list[int]] = {}
    for face, image in image_of.items():
        for name in {str(face), image, image.rsplit("/", 1)[-1]}:
            named.setdefault(name, []).append(face)
    listed: set[int] = set()
    for number, line in lines_of(list_file):
        name = line.removeprefix("flickr/")
        if name not in named:
            raise InputError(f"{list_file}, line {number}: the database has no pose for the image or face {line!r}")
        listed.update(named[name])
    if not listed:
        raise InputError(f"{list_file} is empty; expected one image path or face id per line")
    return listed
