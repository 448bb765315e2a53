"""RAF-DB, its basic part: 7 facial expressions.

Layout (also without the folder `basic/`):

    basic/EmoLabel/list_patition_label.txt      NAME and a number from 1 to 7 per line (spelt "patition")
    basic/Image/aligned/train_00001_aligned.jpg 100 x 100, aligned by the eyes and the mouth

Split: by the prefix of the names: 12,271 train and 3,068 test. Crop: the whole aligned image, as in other papers; it is
tighter than the crops that this project's encoders are trained on. Metric: area under the ROC curve of each class
against the rest, and the mean; others report accuracy.

Uncertain: that others use the aligned images rather than the originals, which is likely but not always stated. The size
is assumed to be 100 x 100: other sizes would be cropped.

Source: Li et al.: Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the wild,
CVPR 2017.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find, lines_of
from fabnet.probes.tasks.labels import Classes

__all__ = ["CLASSES", "read"]

CLASSES = ("surprise", "fear", "disgust", "happy", "sad", "anger", "neutral")
"""Class names in the order of the dataset's numbers, which start at 1."""
SIDE_PX = 100.0


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Faces in the order of the list.

    Raises:
        InputError: a file is missing or malformed, or names an image twice.
    """
    list_file = find(
        "rafdb", data, "list of labels", "basic/EmoLabel/list_patition_label.txt", "EmoLabel/list_patition_label.txt"
    )
    folder = find("rafdb", data, "folder of aligned images", "basic/Image/aligned", "Image/aligned")
    labels: dict[str, int] = {}
    for number, line in lines_of(list_file):
        name, _, label = line.partition(" ")
        if name.split("_")[0] not in ("train", "test") or label not in set("1234567") or name in labels:
            raise InputError(f"{list_file}, line {number}: expected train_00001.jpg 5, each name once; found {line!r}")
        labels[name] = int(label) - 1
    names = list(labels)
    images = [folder / f"{Path(name).stem}_aligned.jpg" for name in names]
    targets = np.array(list(labels.values()), np.float64)[:, None]
    return Benchmark(
        name="rafdb",
        images=images,
        names=names,
        split=np.array([name.split("_")[0] for name in names]),
        tasks=(Classes(name="expression", targets=targets, columns=CLASSES, is_mirrorable=True),),
        seen_px=np.tile([0.0, 0.0, SIDE_PX, SIDE_PX], (len(names), 1)),
    )
