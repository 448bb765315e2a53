"""`mtfl`: 5 points, 5-way head pose, smile and glasses on stills in the wild.

Layout:
    labels.csv     path, split (train or test), x1 ... x5, y1 ... y5 (pixels of the image), gender, smile, glasses
                   (1 yes, 2 no), pose5 (1 left profile .. 5 right profile); the attributes may be empty
    images/PATH    the stills, 80 x 80

Crop: the detector's (the two parts are framed so differently that a probe would otherwise learn the framing); a face
that is not found is scored on the whole image. Split: train and test as labelled, a fifth of train (by a hash of the
path) validates; people are unnamed. Tasks: `landmarks5`, error over the eye distance; `pose5`, AUC of each class;
`smile`, `glasses`, AUC.

Source: Zhang, Luo, Loy, Tang: Facial landmark detection by deep multi-task learning, ECCV 2014.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.files.decimal_commas import with_points
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, number_of, numbers_of, rows_of
from fabnet.probes.tasks.labels import Classes, Units
from fabnet.probes.tasks.points import Points, point_distance
from fabnet.store.schema import SPLITS

__all__ = ["POSES", "read"]

POSES = ("left profile", "left", "frontal", "right", "right profile")
POINTS = tuple(f"{axis}{i}" for i in range(1, 6) for axis in "xy")
COLUMNS = ("path", "split", *POINTS, "smile", "glasses", "pose5")


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder.

    Raises:
        InputError: a file is missing or invalid.
    """
    file = find("mtfl", data, "labels.csv, the labels", "labels.csv")
    images = find("mtfl", data, "images, the folder of stills", "images")
    rows = with_points(file, rows_of(file, COLUMNS), POINTS)
    points = np.array(
        [numbers_of(file, line, [row[name] for name in POINTS], 10) for line, row in rows.items()]
    ).reshape(-1, 10)
    smile, glasses = (_yes_no(file, rows, name) for name in ("smile", "glasses"))
    pose = np.array([number_of(file, line, row["pose5"]) for line, row in rows.items()]) - 1
    names = [row["path"] for row in rows.values()]
    split = np.array([row["split"] for row in rows.values()])
    if not set(split) <= set(SPLITS):
        raise InputError(f"{file}: split must be train, val or test; found {sorted(set(split.tolist()))}")
    if not np.isin(pose[np.isfinite(pose)], range(5)).all():
        raise InputError(f"{file}: pose5 must be 1 to 5")
    return Benchmark(
        name="mtfl",
        images=[images / name for name in names],
        names=names,
        split=split,
        tasks=(
            Points(name="landmarks5", targets=points, normalisers=(point_distance(0, 1, "eye distance"),)),
            Classes(name="pose5", targets=pose[:, None], columns=POSES),
            *(
                Units(name=name, targets=targets[:, None], columns=(name,), is_mirrorable=True)
                for name, targets in (("smile", smile), ("glasses", glasses))
            ),
        ),
    )


def _yes_no(file: Path, rows: dict[int, dict[str, str]], name: str) -> np.ndarray:
    """(N,) 1 yes, 0 no, NaN unknown."""
    known = {"1": 1.0, "2": 0.0, "": np.nan}
    for line, row in rows.items():
        if row[name] not in known:
            raise InputError(f"{file}, line {line}: {name} must be 1 (yes), 2 (no) or empty; found {row[name]!r}")
    return np.array([known[row[name]] for row in rows.values()])
