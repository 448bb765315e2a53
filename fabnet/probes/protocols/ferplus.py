"""`ferplus`: 8 expressions on FER-2013's stills with the votes of FER+.

Layout:
    ferplus48.npz    {train,val,test}_images (n, 48, 48) uint8 grey, {train,val,test}_votes (n, 10) whole numbers, and
                     emotions (8,), the names of the first eight vote columns, before unknown and not a face

Label: the emotion with the most votes among the first 8 columns. Crop: the detector's; the stills are tight, and a face
that is not found is scored on the whole image. Split: as named; people are unnamed. Metric: AUC of each class; the
headline is the mean of six, as disgust and contempt have 9 and 8 test images. Also accuracy.

Source: Barsoum, Zhang, Canton Ferrer, Zhang: Training deep networks for facial expression recognition with
crowd-sourced label distribution, ICMI 2016; Goodfellow et al., ICONIP 2013.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.files.numpy_file import read_npz
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import find
from fabnet.probes.tasks.labels import Classes
from fabnet.store.schema import SPLITS

__all__ = ["RARE", "read"]

RARE = ("disgust", "contempt")
NAMES = {"happiness": "happy", "sadness": "sad"}
"""Names of these classes in AffectNet and in the paper's Table 4."""


def read(data: Path) -> Benchmark:
    """Read stills and votes.

    Args:
        data: the folder.

    Raises:
        InputError: the file is missing, or its arrays differ from the layout above.
    """
    file = find("ferplus", data, "ferplus48.npz, the stills with their votes", "ferplus48.npz")
    try:
        names = [f"{split}_{what}" for what in ("images", "votes") for split in SPLITS]
        content = read_npz(file, ("emotions", *names))
        emotions = [str(name) for name in content["emotions"]]
        images, votes = ([content[f"{split}_{what}"] for split in SPLITS] for what in ("images", "votes"))
    except (InputError, OSError, TypeError) as error:  # TypeError: emotions is a scalar
        raise InputError(
            f"{file} cannot be read ({error}); expected arrays emotions and train, val and test _images and _votes"
        ) from None
    for split, pictures, counted in zip(SPLITS, images, votes, strict=True):
        if pictures.ndim != 3 or pictures.dtype != np.uint8 or counted.shape != (len(pictures), len(emotions) + 2):
            raise InputError(
                f"{file}: expected {split}_images (n, H, W) uint8 and {split}_votes (n, {len(emotions) + 2}); found "
                f"{pictures.shape} {pictures.dtype} and {counted.shape}"
            )
    columns = tuple(NAMES.get(name, name) for name in emotions)
    labels = np.concatenate([counted[:, : len(emotions)].argmax(axis=1) for counted in votes])
    return Benchmark(
        name="ferplus",
        images=[np.repeat(picture[:, :, None], 3, axis=2) for pictures in images for picture in pictures],
        names=[f"{split}/{i}" for split, pictures in zip(SPLITS, images, strict=True) for i in range(len(pictures))],
        split=np.repeat(SPLITS, [len(pictures) for pictures in images]),
        tasks=(
            Classes(
                name="expression",
                targets=labels[:, None].astype(np.float64),
                columns=columns,
                headline=tuple(name for name in columns if name not in RARE),
                is_mirrorable=True,
            ),
        ),
    )
