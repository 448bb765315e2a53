"""How sure a reading is: the distance from the faces that were learned from, and half-widths that hold the errors.

Letters: N faces, D numbers of an embedding, K outputs of the tasks, P half-widths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.face_reader import FaceReader, ReaderTask

__all__ = ["half_widths", "whitening"]

COVERAGE = 0.9
"""Share of the errors that a half-width holds."""
DISTANCE = 7
"""Index of the distance from the known faces among the signs of difficulty."""


def whitening(x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and whitening of the faces that were learned from.

    Args:
        x: (N, D) embeddings.
        weights: (N,) of the faces; their sum is 1.

    Returns:
        (D,) mean and (D, D) whitening: the length of (embedding - mean) @ whitening says how unlike a face is.
    """
    mean = weights @ x
    centred = x - mean
    values, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    # Directions in which faces hardly differ count most: pictures without a face differ there.
    return mean, vectors / np.sqrt(np.maximum(values, values[-1] * 1e-5)) / np.sqrt(len(values))


def half_widths(
    teacher: FaceReader, seen: EncodedFaces, distance: np.ndarray, off: np.ndarray, known: np.ndarray, wider: float
) -> dict[str, np.ndarray]:
    """The teacher's half-widths, widened by the errors against it: half-widths of independent errors add as squares.

    Args:
        teacher: whose readings are learned.
        seen: what the teacher saw of N faces.
        distance: (N,) of the pupil's embeddings from those of the people that its fit knew.
        off: (N, K) pupil's outputs minus the teacher's, of people that the fit left out; points in pixels.
        known: (N, P) the teacher's half-widths; of the points in pixels.
        wider: side of the pupil's windows over that of the teacher's.

    Returns:
        `signs_mean`, `signs_scale` and `spread` of a `FaceReader`. The signs of difficulty are the teacher's; the
        pupil's distances are brought to the mean and spread of the teacher's.
    """
    signs_mean, signs_scale = teacher.signs_mean.astype(np.float64), teacher.signs_scale.astype(np.float64)
    theirs = np.linalg.norm((seen.embeddings - teacher.mean) @ teacher.whiten, axis=1)
    scale = distance.std() / max(theirs.std(), 1e-6)
    signs_mean[DISTANCE] = distance.mean() - (theirs.mean() - signs_mean[DISTANCE]) * scale
    signs_scale[DISTANCE] *= max(scale, 1e-6)
    signs_mean[0] += np.log2(wider)  # the first sign is the size of the window
    spread = teacher.spread.astype(np.float64)
    ratios = np.quantile(_errors(teacher.tasks, off) / known, COVERAGE, axis=0)
    spread[-1] += np.log(np.hypot(1, ratios))
    index = 0
    for task in teacher.tasks:
        if task.kind == "points":  # their half-widths are in sides of the window
            spread[-1, index] -= np.log(wider)
        index += {"points": 1, "values": len(task.columns)}.get(task.kind, 0)
    return {"signs_mean": signs_mean, "signs_scale": signs_scale, "spread": spread}


def _errors(tasks: Sequence[ReaderTask], off: np.ndarray) -> np.ndarray:
    """(N, K) differences to (N, P) sizes of the errors."""
    errors, first = [], 0
    for task in tasks:
        part = off[:, first : first + len(task.columns)]
        first += len(task.columns)
        if task.kind == "points":
            errors.append(np.linalg.norm(part.reshape(len(part), -1, 2), axis=2).mean(axis=1)[:, None])
        elif task.kind == "values":
            errors.append(np.abs(part))
    return np.concatenate(errors, axis=1)
