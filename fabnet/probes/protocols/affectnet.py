"""AffectNet: 8 facial expressions.

Layout of the first release:

    training.csv, validation.csv    subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks,
                                    expression, valence, arousal; also in Manually_Annotated_file_lists/; the header may
                                    be absent
    Manually_Annotated_Images/      the images, at the paths in the first column

    Automatically_Annotated_Images/ and automatically_annotated.csv, also in Automatically_annotated_file_list(s)/: the
                                    half that was labelled by a network, in the same form; read by `affectnet-all` only

or of the later one:

    train_set/images/*.jpg, train_set/annotations/*_exp.npy; the same in val_set/

Split: the official validation set is the test set, as the official test set is not released; a part of the training
faces validates; in `affectnet-all` the automatic half is training, too (the paper speaks of more than 900,000 images,
which both halves have together). Crop: the detector's; in the first release the labelled rectangle identifies the face,
and takes the detector's place if it finds none. Metric: area under the ROC curve of each class against the rest, and
the mean. Classes 8 to 10 (none, uncertain, no face) are left out.

Uncertain: which release others used; the later one has 287,651 training faces with a class and 3,999 for validation,
already cropped to 224 x 224. A file that a list names twice counts once.

Source: Mollahosseini et al.: AffectNet, IEEE Transactions on Affective Computing 2019 (arXiv 1708.03985).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.files.csv_file import csv_rows
from fabnet.files.numpy_file import read_npy
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, numbers_of
from fabnet.probes.tasks.labels import Classes

__all__ = ["CLASSES", "read"]

CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
"""Class names in the order of the dataset's numbers."""
MAX_LABEL_BYTES = 2**16
NUM_LABELS = 11
COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
LISTS = "Manually_Annotated_file_lists"
AUTOMATIC_LISTS = ("Automatically_annotated_file_list", "Automatically_Annotated_file_lists")
MAX_LIST_BYTES = 2**30
"""A list has 68 points a face, and up to 540,000 faces."""


def read(data: Path, *, automatic: bool = False) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above, from either release.
        automatic: whether the half that a network labelled is in the training part, too.

    Returns:
        Faces in the order of the lists (of the file names), training before test.

    Raises:
        InputError: a file is missing or malformed, or an image is in both lists.
    """
    if (data / "train_set").is_dir() and not automatic:
        return _read_folders(data)
    return _read_lists(data, automatic=automatic)


def _benchmark(
    protocol: str, images: list[Path], names: list[str], labels: list[int], split: list[str], boxes: list
) -> Benchmark:
    targets = np.array(labels, np.float64)[:, None]
    task = Classes(name="expression", targets=targets, columns=CLASSES, is_mirrorable=True)
    return Benchmark(
        name=protocol,
        images=images,
        names=names,
        split=np.array(split),
        tasks=(task,),
        face_px=np.array(boxes) if boxes else None,
    )


def _read_lists(data: Path, *, automatic: bool) -> Benchmark:
    protocol = "affectnet-all" if automatic else "affectnet"
    manual = find(protocol, data, "folder of images", "Manually_Annotated_Images")
    lists = [
        ("train", manual, "", find(protocol, data, "list of train images", *_places("training.csv", LISTS))),
        ("test", manual, "", find(protocol, data, "list of test images", *_places("validation.csv", LISTS))),
    ]
    if automatic:
        folder = find(protocol, data, "folder of the automatic half", "Automatically_Annotated_Images")
        places = _places("automatically_annotated.csv", *AUTOMATIC_LISTS)
        lists.append(("train", folder, "automatic/", find(protocol, data, "list of the automatic half", *places)))
    split: dict[str, str] = {}
    images: list[Path] = []
    labels: list[int] = []
    boxes: list[np.ndarray] = []
    for part, folder, prefix, file in lists:
        for line, row in _rows(file):
            label = _label(row[6], f"{file}, line {line}")
            if label >= len(CLASSES):
                continue
            image = prefix + row[0]
            if image in split:
                if split[image] != part:
                    raise InputError(f"{file}, line {line}: {row[0]} is also in the training list")
                continue
            left, top, width, height = numbers_of(file, line, row[1:5], 4)
            split[image] = part
            images.append(folder / row[0])
            labels.append(label)
            boxes.append(np.array([left, top, left + width, top + height]))
    return _benchmark(protocol, images, list(split), labels, list(split.values()), boxes)


def _places(name: str, *folders: str) -> tuple[str, ...]:
    return name, *(f"{folder}/{name}" for folder in folders)


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a list without its header, with line numbers."""
    for line, row in csv_rows(file, separator=",", limit=MAX_LIST_BYTES):
        if not row or row[0] == COLUMNS[0]:
            continue
        if len(row) != len(COLUMNS):
            raise InputError(
                f"{file}, line {line}: expected {len(COLUMNS)} columns ({','.join(COLUMNS)}), found {len(row)}"
            )
        yield line, row


def _label(text: str, where: str) -> int:
    if not text.strip().isdecimal() or int(text) >= NUM_LABELS:
        raise InputError(f"{where}: expected an expression from 0 to {NUM_LABELS - 1}, found {text!r}")
    return int(text)


def _read_folders(data: Path) -> Benchmark:
    images, labels, split = [], [], []
    for part, name in (("train", "train_set"), ("test", "val_set")):
        annotations = find("affectnet", data, f"folder of {part} labels", f"{name}/annotations")
        find("affectnet", data, f"folder of {part} images", f"{name}/images")
        files = sorted(annotations.glob("*_exp.npy"))
        if not files:
            raise InputError(f"affectnet: no *_exp.npy in {annotations}; expected one per image")
        for file in files:
            try:
                value = read_npy(file, MAX_LABEL_BYTES)
                text = str(value.item()) if value.size == 1 else str(value)
            except (InputError, OSError) as error:
                raise InputError(f"{file} is not an array of numbers or text: {error}") from error
            label = _label(text, str(file))
            if label < len(CLASSES):
                images.append(data / name / "images" / f"{file.name.removesuffix('_exp.npy')}.jpg")
                labels.append(label)
                split.append(part)
    return _benchmark("affectnet", images, [image.relative_to(data).as_posix() for image in images], labels, split, [])
