"""`ckplus`: 11 action units on the last frames of CK+'s posed sequences, by subject.

Layout:
    aus.csv        path, subject, video, frame, ..., AU1, AU2 ... (1 present, 0 absent)
    images/PATH    the frames, 48 x 48 grey, tight; the leading folder CK+48/ of the path may be missing

Units: 1 2 4 5 6 9 12 17 20 25 26, those of EmotioNet and the paper's Table 3. Crop: the detector's; a face that is not
found is scored on the whole image. Split: none; ten folds by subject, whose predictions are pooled. Metric: AUC of each
unit and the mean.

Uncertain: its difficulty: the frames are posed and alike (raw pixels reach a mean AUC above 90).

Source: Lucey et al.: The extended Cohn-Kanade dataset (CK+), CVPR workshops 2010.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.units import UNITS
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, rows_of
from fabnet.probes.tasks.labels import Units

__all__ = ["read"]

FOLDS = 10


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder.

    Raises:
        InputError: a file is missing or invalid.
    """
    file = find("ckplus", data, "aus.csv, the action units", "aus.csv")
    folder = find("ckplus", data, "images, the folder of frames", "images")
    columns = tuple(f"AU{unit}" for unit in UNITS)
    rows = rows_of(file, ("path", "subject", *columns))
    for line, row in rows.items():
        wrong = [name for name in columns if row[name] not in ("0", "1", "")]
        if wrong:
            raise InputError(f"{file}, line {line}: {wrong[0]} must be 0, 1 or empty; found {row[wrong[0]]!r}")
    return Benchmark(
        name="ckplus",
        images=[_image(folder, row["path"]) for row in rows.values()],
        names=[row["path"] for row in rows.values()],
        split=np.full(len(rows), "train"),
        people=np.array([row["subject"] for row in rows.values()]),
        folds=FOLDS,
        tasks=(
            Units(
                name="units",
                targets=np.array([[float(row[name] or "nan") for name in columns] for row in rows.values()]),
                columns=columns,
                is_mirrorable=True,
            ),
        ),
    )


def _image(folder: Path, path: str) -> Path:
    whole = folder / path
    return whole if whole.is_file() else folder / Path(*Path(path).parts[1:])
