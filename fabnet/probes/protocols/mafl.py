"""MAFL: 5 points on CelebA's aligned faces.

Layout, as CelebA and MAFL unpack (each file may also lie in the folder itself):

    Anno/list_landmarks_align_celeba.txt    a count, a header, then NAME and ten integers per line
    Img/img_align_celeba/000001.jpg         178 x 218
    MAFL/training.txt, MAFL/testing.txt     one name per line: 19,000 and 1,000

Split: the two lists; both are parts of CelebA. Crop: the authors', which drops the top 35 px and then 35 px on every
side (108 x 113 of 178 x 218). Metric: mean distance of the points over the distance of the eye centres.

Uncertain: whether CelebA counts pixels from 0 or from 1. From 0 is assumed, so 0.5 is added to its integers; the other
choice would shift all points by a pixel and hardly change the errors.

Source: Liu et al.: Deep learning face attributes in the wild, ICCV 2015 (images and points); Zhang et al.: Learning
deep representation for face alignment with auxiliary attributes, PAMI 2016 (the lists); the authors' code (the
crop).
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, lines_of, numbers_of
from fabnet.probes.tasks.points import Points, point_distance

__all__ = ["read"]

SEEN_PX = (35.0, 70.0, 143.0, 183.0)


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces in the order of the lists, training before test.

    Raises:
        InputError: a file is missing or malformed, or a listed image has no points or is in both lists.
    """
    table = find(
        "mafl", data, "landmark file", "Anno/list_landmarks_align_celeba.txt", "list_landmarks_align_celeba.txt"
    )
    folder = find("mafl", data, "folder of aligned images", "Img/img_align_celeba", "img_align_celeba")
    split: dict[str, str] = {}
    for part, file in (("train", "training.txt"), ("test", "testing.txt")):
        list_file = find("mafl", data, f"list of {part} images", f"MAFL/{file}", file)
        for number, line in lines_of(list_file):
            if split.setdefault(line.split()[0], part) != part:
                raise InputError(f"{list_file}, line {number}: {line} is also in the training list")
    points = _read_points(table, split)
    without = [name for name in split if name not in points]
    if without:
        raise InputError(f"{table} has no points for {without[0]}, which MAFL lists ({len(without)} such images)")
    names = list(split)
    images = [folder / name for name in names]
    landmarks = Points(
        name="landmarks5",
        targets=np.array([points[name] for name in names]).reshape(-1, 10),
        normalisers=(point_distance(0, 1, "eye-centre distance"),),
    )
    return Benchmark(
        name="mafl",
        images=images,
        names=names,
        split=np.array(list(split.values())),
        tasks=(landmarks,),
        seen_px=np.tile(SEEN_PX, (len(names), 1)),
    )


def _read_points(table: Path, wanted: Container[str]) -> dict[str, np.ndarray]:
    points = {}
    for number, line in lines_of(table):
        name, *parts = line.split()
        if number <= 2 and not name.endswith(".jpg"):
            continue
        if name in wanted:
            points[name] = numbers_of(table, number, parts, 10) + 0.5
    return points
