"""Second moments of features and targets, from which every ridge of the face reader is solved.

The training faces are passed once. Their sums are kept by set, fold of people and look, so that a map without a set
(for half-widths) or without a fold (for calibration) needs no further pass.

Letters: N faces, F features (and a one), K targets.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from faces import SETS, Faces, read_faces
from linear import Linear, Waves
from looks import LOOKS, NEAR_LOOK

CANONICAL, NEAR, GREY, TIGHT = 0, NEAR_LOOK, LOOKS.index("grey"), LOOKS.index("tight")
STEADY_LOOKS = (1, 2, GREY, TIGHT)
WEIGHTS = {"youtube_faces": 1.0, "clips": 1.0, "cmu_faces": 0.5, "mtfl": 1.0, "ferplus": 0.5}
"""Share of a set in the fit of pose, points, openings and smile."""
TURN_DEG = 40.0
CLOSED, CLOSED_SHARE, CLOSED_SETS = 5.0, 0.1, ("youtube_faces", "clips", "mtfl")
"""Faces with closed eyes are few, so that a map would hardly follow a blink: the tenth of a set with the smallest
opening counts more."""
FITS = {
    "place": ((0, 1, 2, 3, 4), 1e-2, 0.0),
    "points": ((0, 1, 2), 1e-2, 0.0),
    "numbers": ((0, 1, 2, GREY, TIGHT), 1e-3, 3.0),
    "smile": ((0, 1, 2, GREY, TIGHT), 1e-3, 1.0),
}
"""Looks that a target is fitted to, the penalty on its weights, and that on its outputs' changes. Chosen by
cross-validation over the folds: see docs/experiments.md."""
ROUNDING = 2.0
"""Weight of the changes by rounding to int8 beside the others."""
NUM_FOLDS = 4
AT_ONCE = 4096


class Looked:
    """A set with its embeddings."""

    def __init__(self, faces: Faces, folder: Path) -> None:
        content = np.load(folder / f"looks-{faces.name}.npz")
        self.faces, self.x = faces, content["embeddings"].astype(np.float64)
        self.boxes, self.light = content["boxes"].astype(np.float64), content["light"]
        self.rounded_at, self.rounding = content["rounded_at"], content["rounding"].astype(np.float64)
        """(M,) indices of training faces whose embeddings were computed in int8 too, and (M, D) the differences."""
        people, own = np.unique(faces.people, return_inverse=True)
        dealt = np.random.default_rng(0).permutation(len(people)) % NUM_FOLDS
        self.folds = np.where(faces.is_train, dealt[own], -1)
        """(N,) fold of each training face, by person; -1: held out."""


def read_looks(data: Path, work: Path, looks: Path, window_side: float) -> dict[str, Looked]:
    """All sets by name, with the embeddings that looks.py wrote to the folder `looks`; the rest as in `read_faces`."""
    return {name: Looked(read_faces(name, data, work, window_side), looks) for name in SETS}


def waves_like(sets: dict[str, Looked]) -> Waves:
    """Waves for the first look of the training faces."""
    return Waves.like(np.concatenate([sets[name].x[sets[name].faces.is_train][:, CANONICAL] for name in WEIGHTS]))


def changing(sets: dict[str, Looked]) -> np.ndarray:
    """(D, D) mean of d d^T over changes d of embeddings between looks that show the same, and by rounding."""
    made = []
    for name in WEIGHTS:
        x = sets[name].x[sets[name].faces.is_train]
        made.append((x[:, STEADY_LOOKS] - x[:, :1]).reshape(-1, x.shape[2]))
    changes, rounding = np.concatenate(made), np.concatenate([sets[name].rounding for name in WEIGHTS])
    return np.asarray(_mean(changes.T @ changes, len(changes)) + ROUNDING * _mean(rounding.T @ rounding, len(rounding)))


def _mean(total: np.ndarray, count: int) -> np.ndarray:
    return np.asarray(total / max(count, 1))


Target = Callable[[Looked, int], np.ndarray]
"""Gives (N, K) targets of a set's faces in the look of this index."""


class Sums:
    """Sums over training faces. Turned heads and closed eyes, which are few, count more.

    Args:
        sets: sets by name; those in `WEIGHTS` are passed.
        waves: further features.
        targets: what is fitted, by name.
    """

    def __init__(self, sets: dict[str, Looked], waves: Waves, targets: dict[str, Target]) -> None:
        self.waves = waves
        self._counts = {name: np.bincount(sets[name].folds + 1, minlength=NUM_FOLDS + 1)[1:] for name in WEIGHTS}
        self._columns: dict[str, slice] = {}
        self._moments: dict[tuple[str, int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._changes: dict[str, tuple[np.ndarray, int]] = {}
        self._rounding: dict[str, tuple[np.ndarray, int]] = {}
        for name in WEIGHTS:
            own = sets[name]
            weights = 1 + np.square(own.faces.heads.pose_deg[:, 2] / TURN_DEG)
            if name in CLOSED_SETS:
                eyes, is_frontal = own.faces.heads.openings[:, 2], np.abs(own.faces.heads.pose_deg[:, 2]) < TURN_DEG
                weights += CLOSED * (is_frontal & (eyes < np.quantile(eyes[own.faces.is_train], CLOSED_SHARE)))
            for look in range(len(LOOKS)):
                made = {key: target(own, look) for key, target in targets.items()}
                ends = np.cumsum([each.shape[1] for each in made.values()]).tolist()
                self._columns = {
                    key: slice(start, end) for key, start, end in zip(made, [0, *ends[:-1]], ends, strict=True)
                }
                y = np.concatenate(list(made.values()), axis=1)
                for fold in range(NUM_FOLDS):
                    use = np.flatnonzero(own.folds == fold)
                    self._moments[name, fold, look] = self._moment(own.x[use, look], y[use], weights[use])
            self._changes[name] = self._change(own.x[own.faces.is_train][::2])
            near = own.x[own.rounded_at, NEAR]
            rounded = waves.features(near + own.rounding) - waves.features(near)
            self._rounding[name] = rounded.T @ rounded, len(rounded)

    def _moment(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width = self.waves.directions.shape[0] + len(self.waves.phases) + 1
        gram, cross = np.zeros((width, width)), np.zeros((width, y.shape[1]))
        for start in range(0, len(x), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            features = np.ones((len(x[part]), width), np.float32)
            features[:, :-1] = self.waves.features(x[part])
            weighted = (features * weights[part, None]).astype(np.float32).T
            gram += weighted @ features
            cross += weighted @ y[part].astype(np.float32)
        return gram, cross

    def _change(self, x: np.ndarray) -> tuple[np.ndarray, int]:
        canonical = self.waves.features(x[:, CANONICAL]).astype(np.float32)
        moved = [self.waves.features(x[:, look]).astype(np.float32) - canonical for look in STEADY_LOOKS]
        return np.asarray(sum(each.T @ each for each in moved), np.float64), len(x) * len(moved)

    def fit(self, target: str, *, without: str | None = None, fold: int | None = None) -> Linear:
        """Ridge of a target on embeddings and cosines.

        Args:
            target: name of what is fitted, in `FITS`.
            without: set that is left out.
            fold: fold of people that is left out.
        """
        looks, penalty, steady = FITS[target]
        names = [name for name in WEIGHTS if name != without]
        folds = [each for each in range(NUM_FOLDS) if each != fold]
        parts = [
            (WEIGHTS[name] / self._counts[name][folds].sum() / len(looks), self._moments[name, each, look])
            for name in names for each in folds for look in looks
        ]  # fmt: skip
        gram = sum(share * moments[0] for share, moments in parts)
        cross = sum(share * moments[1][:, self._columns[target]] for share, moments in parts)
        count = np.asarray(gram)[-1, -1]
        gram, cross = np.asarray(gram) / count, np.asarray(cross) / count
        mean_x, mean_y = gram[-1, :-1], cross[-1]
        covariance = gram[:-1, :-1] - np.outer(mean_x, mean_x)
        penalties = penalty * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        if steady:
            for weight, kept in ((1.0, self._changes), (ROUNDING, self._rounding)):
                total = sum(kept[name][0] for name in names)
                penalties += steady * weight * _mean(np.asarray(total), sum(kept[name][1] for name in names))
        coef = np.linalg.solve(covariance + penalties, cross[:-1] - np.outer(mean_x, mean_y))
        return self.waves.unfolded(Linear(coef, mean_y - mean_x @ coef))

    def unseen(self, target: str, own: Looked, look: int) -> np.ndarray:
        """(N, K) what maps that have not seen a face's person read in a look; NaN for people held out."""
        width = self._columns[target].stop - self._columns[target].start
        made = np.full((len(own.folds), width), np.nan)
        for fold in range(NUM_FOLDS):
            use = own.folds == fold
            made[use] = self.fit(target, fold=fold).with_waves(own.x[use, look], self.waves)
        return made
