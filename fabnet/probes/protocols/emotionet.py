"""EmotioNet: 11 action units.

Layout:

    dataFile_*.txt, dataFile_1000.txt   the challenge's lists: URL, original URL, AU1 ... AU60, tab-separated
    images/                             the images, at any depth, named after the last part of their URL

or, instead of the lists, `train.csv` and `validation.csv`: the URL or file name in the first column, then columns
called AU1 or "AU 1" and so on. Without such names the columns are those of the challenge's lists. 1: present, 0:
absent, 999: unknown (no label).

Split: the official validation (optimisation) set is the test set, as the official test set is not released; a part of
the training faces validates. Crop: the detector's. Metric: area under the ROC curve of each unit, and the mean. Units:
1 2 4 5 6 9 12 17 20 25 26.

Uncertain, as the dataset is available on request only: that the validation set is `dataFile_1000.txt` (25,000 faces
labelled by people; the others by a machine), and the layout of the images. Many URLs are dead, so listed images that
are missing are left out: scores from different downloads cover different faces.

Source: Fabian Benitez-Quiroz et al.: EmotioNet, CVPR 2016, and the EmotioNet challenge, arXiv 1703.01210.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.units import UNITS
from fabnet.files.csv_file import csv_rows
from fabnet.files.kinds import IMAGE_SUFFIXES
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find
from fabnet.probes.tasks.labels import Units

__all__ = ["read"]

VALUES = {"0": 0.0, "1": 1.0, "999": np.nan}
VALIDATION = "dataFile_1000.txt"


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces in the order of the lists, training before test.

    Raises:
        InputError: a file is missing or malformed, no listed image exists, or an image is in both sets.
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
                    raise InputError(f"{file}: {name} is also in the training lists")
                if not np.array_equal(targets.setdefault(name, units), units, equal_nan=True):
                    ambiguous.add(name)
    for part in ("train", "test"):
        if part not in split.values():
            raise InputError(
                f"emotionet: no {part} image found in {folder}; expected names from their URLs' last parts"
            )
    # Two URLs with the same last part are two images but one file, so their labels are ambiguous.
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
    """The image name and its (11,) units for each row of a list."""
    places: list[int] | None = None
    for number, row in csv_rows(file, separator="\t" if file.suffix == ".txt" else None):
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
    """Indices of the units' columns, by their names; empty if the row is not a header."""
    found = {}
    for place, text in enumerate(header):
        match = re.fullmatch(r"\W*AU\W*0*(\d+)\W*", text, flags=re.IGNORECASE)
        if match:
            found[int(match[1])] = place
    return [found[unit] for unit in UNITS] if set(UNITS) <= found.keys() else []
