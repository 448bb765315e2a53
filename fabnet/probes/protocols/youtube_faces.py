"""`youtube-faces`: 68 points, head pose, mouth and eye opening on frames of YouTube Faces, by person.

Layout:
    frames/PERSON/CLIP/*.jpg    the frames, each centred on one face
    landmarks68.csv             frame, x0, y0 ... x67, y67: pixels of the frame, for some of the frames
    people.csv                  person, split: train, val or test

Faces: the frames with points. Crop: the detector's, of the most central large face. Split: by person, from the file.
Tasks: `landmarks68`, error over the outer-eye distance and over the points' box; `pose`, roll, pitch and yaw of a rigid
3D shape fitted to the points (`rigid_fit`; the shape comes from the training people, and their mean face defines the
frontal direction); `mouth`, the distance of the inner lips' middles (points 63 and 67) over the height of the points'
box; `eyes`, the distance of the lids over the same: for each eye the mean of its two pairs (points 38 and 42, 39 and
41; 44 and 48, 45 and 47), then of both eyes.

Uncertain: the points come from a machine, on a coarse grid: good for comparing embeddings, but not pixel-accurate
ground truth; and whether their pixel centres lie at integers or half a pixel off: they are used unchanged.

Source: Wolf, Hassner, Maoz: Face recognition in unconstrained videos with matched background similarity, CVPR 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES
from fabnet.files.decimal_commas import with_points
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import numbers_of, rows_of
from fabnet.probes.rigid_fit import fit_pose, fit_shape
from fabnet.probes.tasks.points import Points, box_side, point_distance
from fabnet.probes.tasks.quantities import Angles, Values
from fabnet.store.split import read_splits

__all__ = ["read", "read_landmarks"]

OUTER_EYES = (36, 45)
INNER_LIPS = ((62, 66),)
POINTS = tuple(f"{axis}{i}" for i in range(68) for axis in "xy")
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))


def read_landmarks(file: Path) -> dict[str, np.ndarray]:
    """Read 68 points per frame: CSV with the columns frame, x0, y0 ... x67, y67, in pixels of the frame.

    Returns:
        (68, 2) float64 by frame name.

    Raises:
        InputError: no such file, another header, or a row without 68 points.
    """
    if not file.exists():
        raise InputError(f"no such landmark file: {file}; expected CSV with the columns frame,x0,y0,...,x67,y67")
    rows = with_points(file, rows_of(file, ("frame", *POINTS)), POINTS)
    return {
        row["frame"]: numbers_of(file, line, [row[name] for name in POINTS], 136).reshape(68, 2)
        for line, row in rows.items()
    }


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder.

    Raises:
        InputError: a file is missing or invalid.
    """
    landmarks = read_landmarks(data / "landmarks68.csv")
    splits = read_splits(data / "people.csv")
    if not landmarks:
        raise InputError(f"{data / 'landmarks68.csv'} has no frames")
    names = sorted(landmarks)
    people = np.array([name.split("/")[0] for name in names])
    unknown = sorted(set(people) - set(splits))
    if unknown:
        raise InputError(f"{data / 'people.csv'} has no split for {unknown[0]}, a person in landmarks68.csv")
    points = np.stack([landmarks[name] for name in names])
    split = np.array([splits[person] for person in people])
    angles, _ = fit_pose(points, fit_shape(points[split == "train"]))
    return Benchmark(
        name="youtube-faces",
        images=[data / "frames" / name for name in names],
        names=names,
        split=split,
        people=people,
        clips=np.array([name.rpartition("/")[0] for name in names]),
        tasks=(
            Points(
                name="landmarks68",
                targets=points.reshape(len(points), -1),
                normalisers=(point_distance(*OUTER_EYES, "outer-eye distance"), box_side()),
            ),
            Angles(name="pose", targets=np.degrees(angles), columns=ANGLES),
            Values(name="mouth", targets=_opening(points, INNER_LIPS), columns=("opening",)),
            Values(name="eyes", targets=_opening(points, LIDS), columns=("opening",)),
        ),
    )


def _opening(points: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """(N, 1) the mean distance of the pairs over the height of the points' box."""
    first, second = np.array(pairs).T
    distances = np.linalg.norm(points[:, first] - points[:, second], axis=2).mean(axis=1)
    return np.asarray((distances / np.ptp(points[:, :, 1], axis=1))[:, None])
