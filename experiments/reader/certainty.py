"""How sure a reading is: half-widths that hold 90 % of the errors, also on a set that the map was not fitted to.

The errors are those on sets left out: the maps are fitted without a set, and read on it. Their size is described by a
log-linear function of signs of difficulty (`FaceReader.signs`), then scaled so that 90 % of the errors lie inside, each
set counting alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from linear import Waves, quantile, ridge
from looks import NEAR_LOOK
from sums import Looked, Sums, Target

from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.face_reader import FaceReader
from fabnet.teaching.certainty import whitening

COVERAGE = 0.92
"""Share of the errors that the half-widths are fitted to hold: a little more than 0.9, since the people are few."""
SETS = ("youtube_faces", "clips", "mtfl", "cmu_faces")
FAR_QUANTILE = 0.995
LABEL_ERROR_DEG = (1.0, 2.0, 1.8)
"""Standard deviation of the labels' own errors in roll, pitch and yaw, about half of what the mesh's median difference
from 15 labelled faces of AFLW2000-3D suggests (1.4, 2.7 and 2.5), whose labels err too."""


def distance_map(sets: dict[str, Looked]) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and whitening of the faces that are read, and the distance beyond which a face is unlike them."""
    x = [sets[name].x[sets[name].faces.is_train][:, (0, 1, 5)] for name in (*SETS, "ferplus")]
    counts = [len(each) for each in x]
    weights = np.concatenate([np.full(3 * count, 1 / count) for count in counts])
    flat = np.concatenate([each.reshape(-1, each.shape[2]) for each in x])
    weights /= weights.sum()
    mean, whiten = whitening(flat, weights)
    return mean, whiten, float(np.quantile(np.linalg.norm((flat - mean) @ whiten, axis=1), FAR_QUANTILE))


def fit_spread(
    reader: FaceReader, sets: dict[str, Looked], targets: dict[str, Target], sums: Sums, waves: Waves
) -> FaceReader:
    """Fit the half-widths."""
    made, errors, kinds, seens = [], [], [], []
    rng = np.random.default_rng(0)
    for left_out in SETS:
        values, marks = (sums.fit(name, without=left_out) for name in ("numbers", "points"))
        own = sets[left_out]
        train = own.faces.is_train
        x = own.x[train][:, NEAR_LOOK]
        given = values.with_waves(x, waves)
        wrong = given - targets["numbers"](own, NEAR_LOOK)[train]
        wrong[:, :3] += rng.normal(0, LABEL_ERROR_DEG, (len(x), 3))
        off = (marks.with_waves(x, waves) - targets["points"](own, NEAR_LOOK)[train]).reshape(len(x), 68, 2) / 2
        far = np.linalg.norm(off, axis=2).mean(axis=1)  # shares of the window's side
        errors.append(np.concatenate([far[:, None], np.abs(wrong)], axis=1))
        seen = seen_of(own, train)
        seens.append(seen)
        made.append(given)
        kinds.append(np.full(len(x), left_out))
    kind = np.concatenate(kinds)
    weights = np.zeros(len(kind))
    for name in SETS:
        weights[kind == name] = 1 / (kind == name).sum()
    raw = np.concatenate([_signs(reader, seen, values) for seen, values in zip(seens, made, strict=True)])
    mean = np.average(raw, axis=0, weights=weights)
    scale = np.sqrt(np.average(np.square(raw - mean), axis=0, weights=weights)) + 1e-6
    reader = replace(reader, signs_mean=mean.astype(np.float32), signs_scale=scale.astype(np.float32))
    signs = np.clip((raw - mean) / scale, -4, 4)
    error = np.concatenate(errors)
    spread = np.zeros((signs.shape[1] + 1, error.shape[1]))
    floor = np.quantile(error, 0.2, axis=0)
    for place in range(error.shape[1]):
        logs = np.log(error[:, place] + floor[place])
        fitted = ridge(signs, logs[:, None], weights, penalty=0.02)
        ratio = error[:, place] / np.exp(fitted(signs)[:, 0])
        spread[:-1, place] = fitted.coef[:, 0]
        spread[-1, place] = fitted.intercept[0] + np.log(quantile(ratio, weights, COVERAGE))
    return replace(reader, spread=spread.astype(np.float32))


def seen_of(own: Looked, use: np.ndarray) -> EncodedFaces:
    """Faces of a set in the look at which errors are taken."""
    x, boxes = (each[use][:, NEAR_LOOK].astype(np.float32) for each in (own.x, own.boxes))
    everywhere = np.tile(np.array([-np.inf, -np.inf, np.inf, np.inf], np.float32), (len(x), 1))
    brightness, contrast = own.light[use].T
    turns, detail = np.zeros(len(x), np.float32), np.ones(len(x), np.float32)
    return EncodedFaces(x, boxes, turns, brightness, contrast, detail, everywhere)


def _signs(reader: FaceReader, seen: EncodedFaces, values: np.ndarray) -> np.ndarray:
    made = {name: values[:, place] for place, name in enumerate(("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"))}
    distance = np.linalg.norm((seen.embeddings - reader.mean) @ reader.whiten, axis=1)
    return reader.raw_signs(seen, made, distance)
