"""WFLW: 98 points.

Layout (the first folder may also lie in `WFLW_annotations/`):

    list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt, ..._test.txt
    WFLW_images/0--Parade/*.jpg ...

Each line is a face: 98 points x y, its rectangle x0 y0 x1 y1, six attributes (pose, expression, illumination, make-up,
occlusion, blur), the image. An image may have several faces.

Split: the two lists (7,500 and 2,500 faces). Crop: the detector's; the rectangle identifies the face. Metric: mean
distance of the points over the distance of the outer eye corners (points 60 and 72, counted from 0), as in WFLW; also
over the side of the points' box.

Uncertain: whether pixels count from 0 or from 1. From 0, at a pixel's centre, is assumed, so 0.5 is added.

Source: Wu et al.: Look at boundary: a boundary-aware face alignment algorithm, CVPR 2018.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, lines_of, numbers_of
from fabnet.probes.tasks.points import Points, box_side, point_distance

__all__ = ["read"]

NUM_NUMBERS = 196 + 4 + 6
FOLDER = "list_98pt_rect_attr_train_test"


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces in the order of the lists, training before test.

    Raises:
        InputError: a file is missing or malformed.
    """
    folder = find("wflw", data, "folder of images", "WFLW_images")
    images: list[Path] = []
    names: list[str] = []
    split: list[str] = []
    numbers: list[np.ndarray] = []
    for part in ("train", "test"):
        place = f"{FOLDER}/list_98pt_rect_attr_{part}.txt"
        file = find("wflw", data, f"list of {part} faces", place, f"WFLW_annotations/{place}")
        for number, line in lines_of(file):
            *texts, image = line.split()
            if len(texts) != NUM_NUMBERS:
                raise InputError(
                    f"{file}, line {number}: expected {NUM_NUMBERS} numbers and an image, found {len(texts)}"
                )
            numbers.append(numbers_of(file, number, texts, NUM_NUMBERS))
            images.append(folder / image)
            names.append(f"{image}#{part}{number}")
            split.append(part)
    table = np.array(numbers).reshape(-1, NUM_NUMBERS)
    landmarks = Points(
        name="landmarks98",
        targets=table[:, :196] + 0.5,
        normalisers=(point_distance(60, 72, "outer-eye distance"), box_side()),
    )
    return Benchmark(
        name="wflw",
        images=images,
        names=names,
        split=np.array(split),
        tasks=(landmarks,),
        face_px=table[:, 196:200],
    )
