"""Biwi Kinect Head Pose: head pose, by people.

Layout (also below `hpdb/`):

    01/frame_00003_rgb.png      640 x 480
    01/frame_00003_pose.txt     three lines of a rotation, a blank line, the head's position in mm
    ... 24/

Split: five folds by person over all frames. Papers differ: some test on 8 of the 24 folders drawn at random (FSA-Net,
Yang et al., CVPR 2019), others on all frames after training on 300W-LP (Hopenet, Ruiz et al., CVPR workshops 2018).
The folds keep people apart, use every frame once, and are this project's own choice. Crop: the detector's. Metric: mean
absolute error of roll, pitch and yaw in degrees, and their mean.

The 24 folders show 20 people: 15 shows the person of 03, 18 of 05, 21 of 02 and 22 of 07. A folder with another name
counts as a person of its own.

Uncertain: the four pairs, which are those of the reader in Hugging Face's `datasets`; the frame of the rotations (x
right, y down, z away from the camera, the identity looking into it), which Hopenet's reader implies. Frames come from
video, so neighbours are nearly identical.

Source: Fanelli et al.: Random forests for real time 3D face analysis, IJCV 2013.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES, from_biwi
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import lines_of, numbers_of
from fabnet.probes.tasks.quantities import Angles

__all__ = ["read"]

NUM_FOLDS = 5
AGAIN = {"15": "03", "18": "05", "21": "02", "22": "07"}
"""Folders of people who already have another folder."""
MAX_SKEW = 0.01


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder described above.

    Returns:
        Frames by folder and number.

    Raises:
        InputError: there is no pose file, one is malformed, or its image is missing.
    """
    root = data / "hpdb" if (data / "hpdb").is_dir() else data
    labels = sorted(root.glob("[0-9][0-9]/frame_*_pose.txt"))
    if not labels:
        raise InputError(f"biwi: no pose file in {root}; expected 01/frame_00003_pose.txt and so on")
    images = [label.with_name(label.name.replace("_pose.txt", "_rgb.png")) for label in labels]
    folders = [label.parent.name for label in labels]
    angles = np.degrees(from_biwi(np.array([_read_rotation(label) for label in labels])))
    return Benchmark(
        name="biwi",
        images=images,
        names=[image.relative_to(root).as_posix() for image in images],
        split=np.full(len(images), "train"),
        tasks=(Angles(name="pose", targets=angles, columns=ANGLES),),
        people=np.array([AGAIN.get(folder, folder) for folder in folders]),
        folds=NUM_FOLDS,
    )


def _read_rotation(path: Path) -> np.ndarray:
    """(3, 3) rotation."""
    rows = [numbers_of(path, number, line.split(), 3) for number, line in lines_of(path)]
    matrix = np.array(rows[:3])
    if len(rows) != 4 or np.abs(matrix @ matrix.T - np.eye(3)).max() > MAX_SKEW or np.linalg.det(matrix) < 0:
        raise InputError(f"{path}: expected three lines of a rotation and one of a position")
    return matrix
