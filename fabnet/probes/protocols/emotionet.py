"""EmotioNet: 11 action units.

Layout:

    dataFile_*.txt, dataFile_1000.txt   the challenge's lists: URL, original URL, AU1 ... AU60, by tabs
    images/                             the images, in any folders below, named as the URLs' last parts

or, in place of the lists, `train.csv` and `validation.csv`: the URL or file name in the first column, then columns
called AU1 or "AU 1" and so on. Without such names the columns are those of the challenge's lists. 1 is a unit that is
there, 0 one that is not, 999 unknown: such a face has no label of the unit.

Split: the official validation (optimisation) set is the test set, as the official test set is not released; a part of
training is for validation. Crop: the detector's. Metric: area under the ROC curve of each unit, and the mean. Units:
1 2 4 5 6 9 12 17 20 25 26.

Not certain, as the dataset is given out on request only: that the validation set is `dataFile_1000.txt` (25,000 faces
labelled by people; the others by a machine), and how the images are laid out. Many URLs are dead, so a listed image
that is not there is left out: scores of different downloads are not of the same faces.

Source: Fabian Benitez-Quiroz et al.: EmotioNet, CVPR 2016, and the EmotioNet challenge, arXiv 1703.01210.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.limits import csv_rows
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find
from fabnet.probes.tasks.labels import Units
from fabnet.tracks.kinds import IMAGE_SUFFIXES

__all__ = ["UNITS", "read"]

UNITS = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26)
VALUES = {"0": 0.0, "1": 1.0, "999": np.nan}
VALIDATION = "dataFile_1000.txt"


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces in the order of the lists, training before test.

    Raises:
        InputError: a file is missing or not of its form, no listed image is there, or an image is in both sets.
    """
    folder = find("emotionet", data, "folder of images", "images")
    images = _images_by_name(folder)
    split: dict[str, str] = {}
    targets: dict[str, list[float]] = {}
    ambiguous: set[str] = set()
    for part, files in _lists(data):
        for file in files:
            for name, units in _rows(file):
                if name not in images:
                    continue
                if split.setdefault(name, part) != part:
                    raise InputError(f"{file}: {name} is in the training lists too")
                if not np.array_equal(targets.setdefault(name, units), units, equal_nan=True):
                    ambiguous.add(name)
    for part in ("train", "test"):
        if part not in split.values():
            raise InputError(f"emotionet: none of the {part} images is in {folder}, named as its URL's last part")
    # Two URLs that end alike are two images, and one file: which of the two it is cannot be told.
    names = [name for name in split if name not in ambiguous]
    columns = tuple(f"AU{unit}" for unit in UNITS)
    task = Units(
        name="action-units",
        targets=np.array([targets[name] for name in names]),
        columns=columns,
        is_mirrorable=True,
    )
    return Benchmark(
        name="emotionet",
        images=[images[name] for name in names],
        names=names,
        split=np.array([split[name] for name in names]),
        tasks=(task,),
    )


def _images_by_name(folder: Path) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for where, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES):
                images.setdefault(name, Path(where) / name)
    return images


def _lists(data: Path) -> list[tuple[str, list[Path]]]:
    if (data / "train.csv").is_file():
        test = find("emotionet", data, "list of validation images", "validation.csv")
        return [("train", [data / "train.csv"]), ("test", [test])]
    train = sorted(path for path in data.glob("dataFile_*.txt") if path.name != VALIDATION)
    if not train:
        raise InputError(f"emotionet: no list of training images in {data}; expected dataFile_*.txt, or train.csv")
    return [("train", train), ("test", [find("emotionet", data, "list of validation images", VALIDATION)])]


def _rows(file: Path) -> Iterator[tuple[str, list[float]]]:
    """The image's name and its units, (11,) each, of a list's lines."""
    places: list[int] | None = None
    for number, row in csv_rows(file, delimiter=None):
        if not row:
            continue
        if places is None:
            named = _named_columns(row)
            places = named or [unit + 1 for unit in UNITS]
            if named or re.fullmatch(r"\W*(url|image|file)\w*\W*", row[0], flags=re.IGNORECASE):
                continue
        texts = [row[place].strip() if place < len(row) else "" for place in places]
        wrong = next((text for text in texts if text not in VALUES), None)
        if wrong is not None:
            raise InputError(f"{file}, line {number}: expected 0, 1 or 999 for each unit, found {wrong!r}")
        yield row[0].strip().strip("'").rsplit("/", 1)[-1], [VALUES[text] for text in texts]


def _named_columns(header: list[str]) -> list[int]:
    """Where the units' columns are, by their names; empty where this is no header."""
    found = {}
    for place, text in enumerate(header):
        match = re.fullmatch(r"\W*AU\W*0*(\d+)\W*", text, flags=re.IGNORECASE)
        if match:
            found[int(match[1])] = place
    return [found[unit] for unit in UNITS] if set(UNITS) <= found.keys() else []
