"""How sure a reading is: half-widths that hold 90 % of the errors, also on a set that the map was not fitted to.

The errors are those on sets left out: the maps are fitted without a set, and read on it. Their size is described by a
log-linear function of signs of difficulty (`FaceReader.signs`), then scaled so that 90 % of the errors lie inside, each
set counting alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from linear import Waves, ridge

from fabnet.encoders.face_reader import FaceReader, Seen
from fabnet.teaching.certainty import whitening

if TYPE_CHECKING:
    from fit import Looked

COVERAGE = 0.92
"""Share of the errors that the half-widths are fitted to hold: a little more than 0.9, since the people are few."""
SETS = ("youtube_faces", "clips", "mtfl", "cmu_faces")
ERROR_LOOK = 1
"""The errors are those in a window beside the canonical one, as reading leaves it."""
FAR_QUANTILE = 0.995


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
    reader: FaceReader, sets: dict[str, Looked], points: dict[str, np.ndarray], waves: Waves
) -> tuple[FaceReader, dict[str, object]]:
    """Fit the half-widths, and measure how many errors of people held out lie inside.

    Returns:
        The reader with its half-widths, and figures.
    """
    from fit import WEIGHTS, fit_waves, numbers_target, points_target

    made, errors, kinds, seens = [], [], [], []
    for left_out in SETS:
        names = [name for name in WEIGHTS if name != left_out]
        values = fit_waves(sets, names, numbers_target, (0, 1, 2, 5, 6), waves, steady=0.1)
        marks = fit_waves(sets, names, points_target(points), (0, 1, 2), waves, steady=0.0)
        own = sets[left_out]
        train = own.faces.is_train
        x = own.x[train][:, ERROR_LOOK]
        given = values.with_waves(x, waves)
        wrong = np.abs(given - numbers_target(own, ERROR_LOOK)[train])
        off = (marks.with_waves(x, waves) - points_target(points)(own, ERROR_LOOK)[train]).reshape(len(x), 68, 2) / 2
        far = np.linalg.norm(off, axis=2).mean(axis=1)  # shares of the window's side
        errors.append(np.concatenate([far[:, None], wrong], axis=1))
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
        fitted = ridge(signs, logs[:, None], weights, penalty=0.02, changes=np.zeros((1, signs.shape[1])), steady=0.0)
        ratio = error[:, place] / np.exp(fitted(signs)[:, 0])
        spread[:-1, place] = fitted.coef[:, 0]
        spread[-1, place] = fitted.intercept[0] + np.log(_quantile(ratio, weights, COVERAGE))
    reader = replace(reader, spread=spread.astype(np.float32))
    return reader, covered_shares(reader, sets, points)


def covered_shares(reader: FaceReader, sets: dict[str, Looked], points: dict[str, np.ndarray]) -> dict[str, object]:
    """Share of the errors of people held out that lie inside the half-widths, and the errors, by set."""
    from fit import numbers_target

    names = ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg", "mouth_opening", "mouth_width", "eyes_opening")
    figures: dict[str, object] = {}
    for set_name in SETS:
        own = sets[set_name]
        held = ~own.faces.is_train
        read = reader.columns(seen_of(own, held))
        truth = numbers_target(own, ERROR_LOOK)[held]
        use = read["in_range"]
        figures[f"{set_name}: in range"] = round(float(use.mean()), 3)
        for place, name in enumerate(names):
            error = np.abs(read[name] - truth[:, place])
            figures[f"{set_name}: {name}: mean error, inside, median half-width, correlation"] = [
                round(float(each), 3)
                for each in (error[use].mean(), (error <= read[f"{name}_pm"])[use].mean(),
                             np.median(read[f"{name}_pm"][use]), np.corrcoef(read[name], truth[:, place])[0, 1])
            ]  # fmt: skip
        marks = read["landmarks68_px"].reshape(-1, 68, 2)
        eyes = np.linalg.norm(points[set_name][held][:, 36] - points[set_name][held][:, 45], axis=1)
        far = np.linalg.norm(marks - points[set_name][held], axis=2).mean(axis=1)
        figures[f"{set_name}: points: error over the eyes' distance, inside"] = [
            round(float((far / eyes)[use].mean()), 4), round(float((far <= read["landmarks68_pm_px"])[use].mean()), 3)
        ]  # fmt: skip
    return figures


def seen_of(own: Looked, use: np.ndarray) -> Seen:
    """Faces of a set in the look at which errors are taken; light is not known, so it is as usual."""
    boxes = own.boxes[use][:, ERROR_LOOK].astype(np.float32)
    usual = np.full(len(boxes), 0.45, np.float32)
    return Seen(own.x[use][:, ERROR_LOOK].astype(np.float32), boxes, usual, usual / 2)


def _signs(reader: FaceReader, seen: Seen, values: np.ndarray) -> np.ndarray:
    made = {name: values[:, place] for place, name in enumerate(("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"))}
    distance = np.linalg.norm((seen.embeddings - reader.mean) @ reader.whiten, axis=1)
    return reader.raw_signs(seen, made, distance)


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)])
