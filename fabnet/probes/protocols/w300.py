"""300-W: 68 points.

Layout, as the official archives unpack, a `.pts` file next to each image (png or jpg):

    lfpw/trainset, lfpw/testset, helen/trainset, helen/testset, afw, ibug

Split: train is LFPW train, HELEN train and AFW (3,148 faces), test is LFPW test, HELEN test and iBUG (689). Crop: the
box of the points, grown by 10 % on every side, as the authors chose. It comes from the labels, and results depend on
it: errors with another crop are not comparable with the paper's. Metric: mean distance of the points over the distance
of the outer eye corners (points 37 and 46, counted from 1); also over the distance of the eye centres (means of six
points each) and over the side of the points' box.

`.pts` files count pixels from 1, as Matlab does: the centre of the first pixel is 1.0 there and 0.5 here, so 0.5 is
subtracted. The archives' `Bounding Boxes/*.mat` are not read, and neither are the files `*_mirror` of dlib's copy.

Uncertain: the paper says "interocular distance" without saying which; the outer corners are 300-W's own choice.

Source: Sagonas et al.: 300 faces in-the-wild challenge, ICCV workshops 2013; the parts by Belhumeur et al., CVPR 2011
(LFPW), Zhou et al., ICCV workshops 2013 (HELEN's points) and Zhu and Ramanan, CVPR 2012 (AFW).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, lines_of, numbers_of
from fabnet.probes.tasks.points import Normaliser, Points, box_side, point_distance

__all__ = ["read"]

PARTS = {
    "lfpw/trainset": "train",
    "helen/trainset": "train",
    "afw": "train",
    "lfpw/testset": "test",
    "helen/testset": "test",
    "ibug": "test",
}
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
GROWN = 0.1
"""Share of the points' box added on every side."""


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces in the order of the parts above, by name within a part.

    Raises:
        InputError: a part is missing or empty, or a `.pts` file is malformed or has no image next to it.
    """
    images: list[Path] = []
    points: list[np.ndarray] = []
    split: list[str] = []
    for part, side in PARTS.items():
        folder = find("300w", data, f"folder of {side} faces", part)
        files = sorted(path for path in folder.iterdir() if not path.stem.endswith("_mirror"))
        labels = [path for path in files if path.suffix.lower() == ".pts"]
        if not labels:
            raise InputError(f"300w: no .pts file in {folder}; expected one next to each image")
        beside = {path.stem: path for path in files if path.suffix.lower() in IMAGE_SUFFIXES}
        for label in labels:
            if label.stem not in beside:
                raise InputError(f"300w: no png or jpg image next to {label}")
            images.append(beside[label.stem])
            points.append(_read_pts(label))
            split.append(side)
    stacked = np.array(points)
    low, high = stacked.min(axis=1), stacked.max(axis=1)
    margin = GROWN * (high - low)
    landmarks = Points(
        name="landmarks68",
        targets=stacked.reshape(-1, 136),
        normalisers=(
            point_distance(36, 45, "outer-eye distance"),
            Normaliser("eye-centre distance", _eye_centre_distance),
            box_side(),
        ),
    )
    return Benchmark(
        name="300w",
        images=images,
        names=[image.relative_to(data).as_posix() for image in images],
        split=np.array(split),
        tasks=(landmarks,),
        seen_px=np.concatenate([low - margin, high + margin], axis=1),
        face_px=np.concatenate([low, high], axis=1),
    )


def _eye_centre_distance(points: np.ndarray) -> np.ndarray:
    across = points[:, 42:48].mean(axis=1) - points[:, 36:42].mean(axis=1)
    return np.asarray(np.linalg.norm(across, axis=1))


def _read_pts(path: Path) -> np.ndarray:
    """Read 68 points: `version: 1`, `n_points: 68`, `{`, one point per line, `}`.

    Returns:
        (68, 2) float64, pixel centres at integers + 0.5.
    """
    rows = []
    is_inside = False
    for number, line in lines_of(path):
        if line in "{}":
            is_inside = line == "{"
        elif is_inside:
            rows.append(numbers_of(path, number, line.split(), 2) - 0.5)
    if len(rows) != 68:
        raise InputError(f"{path}: expected 68 points between braces, found {len(rows)}")
    return np.array(rows)
