"""The landmark probe: 68 points from the embedding, by people.

Points are in [-1, 1] coordinates of the stored crop, as in the paper's section 5.1. The probe is fitted on the
people of one split and scored on those of another; its penalty is chosen on people held out from the fit.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.ridge import Ridge
from fabnet.tracks.split import split_of

__all__ = ["LandmarkScore", "fit_landmarks", "landmark_errors", "probe_landmarks", "read_landmarks"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
OUTER_EYES = (36, 45)
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class LandmarkScore:
    """Mean point-to-point error of a landmark probe, in per cent.

    Attributes:
        outer_eye_percent: over the distance of the outer corners of the eyes (points 37 and 46 of 68).
        outer_eye_low: lower end of its 95 % interval, by bootstrap over people.
        outer_eye_high: upper end.
        box_percent: over the geometric mean of the sides of the points' own box.
        mean_face_percent: the outer-eye error of the mean face: what features that know nothing reach.
        faces: scored.
        people: scored.
        fit_faces: the probe was fitted on.
        penalty: chosen.
    """

    outer_eye_percent: float
    outer_eye_low: float
    outer_eye_high: float
    box_percent: float
    mean_face_percent: float
    faces: int
    people: int
    fit_faces: int
    penalty: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def read_landmarks(file: Path) -> dict[str, np.ndarray]:
    """Read 68 points a frame: CSV with the columns frame, x0, y0 ... x67, y67, in pixels of the frame.

    Returns:
        Frame name to (68, 2) float64.

    Raises:
        InputError: no such file, or a row without 68 points.
    """
    if not file.is_file():
        raise InputError(f"no such landmark file: {file}; expected CSV with the columns frame,x0,y0,...,x67,y67")
    points = {}
    with file.open(newline="") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            if number == 1:
                continue
            try:
                points[row[0]] = np.array(row[1:137], dtype=np.float64).reshape(68, 2)
            except ValueError:
                raise InputError(f"{file}, line {number}: expected a frame and 136 numbers") from None
    return points


def landmark_errors(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors of each face, in any one coordinate frame.

    Args:
        predicted: (N, 68, 2).
        true: (N, 68, 2).

    Returns:
        (N,) mean distance over the outer-eye distance, and (N,) over the geometric mean of the true points' box.
    """
    distance = np.linalg.norm(predicted - true, axis=2).mean(axis=1)
    eyes = np.linalg.norm(true[:, OUTER_EYES[0]] - true[:, OUTER_EYES[1]], axis=1)
    sides = true.max(axis=1) - true.min(axis=1)
    return distance / eyes, distance / np.sqrt(sides.prod(axis=1))


def probe_landmarks(
    features: np.ndarray, points: np.ndarray, people: np.ndarray, is_fit: np.ndarray, *, seed: int = 0
) -> LandmarkScore:
    """Fit a landmark probe on some people and score it on the others.

    Args:
        features: (N, D) float.
        points: (N, 68, 2) in [-1, 1] coordinates of the crops.
        people: (N,) who it is.
        is_fit: (N,) bool: faces to fit on; the rest is scored.
        seed: of the bootstrap.

    Raises:
        InputError: a person is on both sides, or a side is empty.
    """
    if set(people[is_fit]) & set(people[~is_fit]) or not is_fit.any() or is_fit.all():
        raise InputError("a probe is fitted on some people and scored on others; a side is empty or shares a person")
    probe = fit_landmarks(features[is_fit], points[is_fit], people[is_fit])
    true = points[~is_fit]
    by_eyes, by_box = landmark_errors(probe.predict(features[~is_fit]).reshape(true.shape), true)
    mean_face = np.broadcast_to(points[is_fit].mean(axis=0), true.shape)
    low, high = _interval(by_eyes, people[~is_fit], seed)
    return LandmarkScore(
        outer_eye_percent=100 * float(by_eyes.mean()),
        outer_eye_low=100 * low,
        outer_eye_high=100 * high,
        box_percent=100 * float(by_box.mean()),
        mean_face_percent=100 * float(landmark_errors(mean_face, true)[0].mean()),
        faces=len(true),
        people=len(set(people[~is_fit])),
        fit_faces=int(is_fit.sum()),
        penalty=probe.penalty,
    )


def fit_landmarks(features: np.ndarray, points: np.ndarray, people: np.ndarray) -> Ridge:
    """Fit a landmark probe, its penalty chosen on people held out from these.

    Args:
        features: (N, D) float.
        points: (N, K, 2).
        people: (N,) who it is.

    Returns:
        The probe; it predicts (N, 2 K).
    """
    return Ridge(_choose_penalty(features, points, people)).fit(features, points.reshape(len(points), -1))


def _choose_penalty(features: np.ndarray, points: np.ndarray, people: np.ndarray) -> float:
    """The penalty with the least error on a quarter of the people, chosen by hash."""
    held = np.array([split_of(str(person)) != "train" for person in people])
    if not held.any() or held.all():
        return PENALTIES[1]
    flat = points.reshape(len(points), -1)
    errors = {}
    for penalty in PENALTIES:
        predicted = Ridge(penalty).fit(features[~held], flat[~held]).predict(features[held])
        errors[penalty] = landmark_errors(predicted.reshape(-1, 68, 2), points[held])[0].mean()
    return min(errors, key=lambda penalty: float(errors[penalty]))


def _interval(errors: np.ndarray, people: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % interval of a mean, by bootstrap over people."""
    names, codes = np.unique(people, return_inverse=True)
    sums, counts = np.bincount(codes, errors), np.bincount(codes)
    chosen = np.random.default_rng(seed).integers(0, len(names), (BOOTSTRAPS, len(names)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
