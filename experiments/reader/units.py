"""Action units: CK+'s labels, and other sets' faces that show a unit or none, so that a neutral face gets none.

CK+'s pictures are grey, posed and framed tightly. Without other faces, a map learns this look: it said "present" of a
third of the units of neutral faces in colour. So neutral faces of other sets count as faces without any unit, and these
as faces with one: faces with an expression that contains it (Ekman, Friesen: EMFACS), or whose mouth is open in the
mesh. All come in both looks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from calibration import platt, rescaled
from faces import EXPRESSIONS
from linear import Linear, auc, logistic
from looks import LOOKS
from sums import NEAR, NUM_FOLDS, Looked

from fabnet.faces.units import UNITS

CONTAINED = {
    "happiness": (12,),
    "surprise": (1, 2, 26),
    "anger": (4,),
    "disgust": (9,),
    "sadness": (1, 4),
    "fear": (1, 2, 5),
}
OPEN = {25: 0.06, 26: 0.16}
"""Opening of the mouth, over the face's height, beyond which a mesh shows these units."""
CLOSED = 0.012
NEUTRAL_SHARE, SHOWN_SHARE = 0.8, 0.5
"""Weight of the other sets' faces without a unit over CK+'s, and of those with one over CK+'s with it."""
LOOK_SHARES = {LOOKS.index("tight"): 0.6, 0: 0.4}
PENALTY, STEADY = 3e-4, 0.1
PRICES = tuple(1.15**power for power in range(-10, 40))
"""Prices of a false alarm on a neutral face, beside one on CK+: the lowest that keeps to `FALSE_ALARMS` is taken."""
MOST_STEPS = 400
"""Upper bound of the thresholds that are tried."""
MOST_FACES = 1000
"""Upper bound of the faces of a set without a unit: more add time, not figures."""
FALSE_ALARMS, MOST_OF_A_UNIT = 0.028, 0.1
"""Share of neutral faces of other sets, each set counting alike, in which a unit may be called present: mean over the
units, and of a single unit."""


def neutral(sets: dict[str, Looked], *, is_train: bool = True) -> list[tuple[Looked, np.ndarray]]:
    """Faces without any unit, of each set: of training people, or of people held out."""
    fer, mtfl, clips, cmu = (sets[name] for name in ("ferplus", "mtfl", "clips", "cmu_faces"))
    quiet = np.zeros(len(clips.faces.names), bool)
    for clip in set(clips.faces.labels["clip"].tolist()):
        own = clips.faces.labels["clip"] == clip
        mouth, width, _ = clips.faces.heads.openings[own].T
        quiet[own] = (width <= np.quantile(width, 0.4)) & (mouth < 0.02)
    parts = [
        (fer, (fer.faces.labels["expression"] == 0) & (fer.faces.labels["agreement"] >= 0.7)
         & (fer.faces.heads.openings[:, 0] < 0.04)),
        (mtfl, (mtfl.faces.labels["smile"] == 0) & (mtfl.faces.heads.openings[:, 0] < 0.03)),
        (clips, quiet),
        (cmu, cmu.faces.labels["acted"] == "neutral"),
    ]  # fmt: skip
    return [(own, use & (own.faces.is_train == is_train)) for own, use in parts]


def shown(sets: dict[str, Looked], unit: int) -> list[tuple[Looked, np.ndarray]]:
    """Training faces with a unit, of each set but CK+."""
    fer, mtfl = sets["ferplus"], sets["mtfl"]
    kinds = [place for place, name in enumerate(EXPRESSIONS) if unit in CONTAINED.get(name, ())]
    parts = [(fer, np.isin(fer.faces.labels["expression"], kinds) & (fer.faces.labels["agreement"] >= 0.6))]
    if unit == 12:
        width = mtfl.faces.heads.openings[:, 1]
        parts.append((mtfl, (mtfl.faces.labels["smile"] == 1) & (width > np.median(width))))
    if unit in OPEN:
        parts += [(own, own.faces.heads.openings[:, 0] > OPEN[unit])
                  for own in (sets[name] for name in ("ferplus", "mtfl", "clips", "youtube_faces"))]  # fmt: skip
    return [(own, use & own.faces.is_train) for own, use in parts if (use & own.faces.is_train).sum() >= 8]


def fit_unit(sets: dict[str, Looked], unit: int, changing: np.ndarray, *, fold: int | None = None) -> Linear:
    """Log-odds of a unit.

    Args:
        sets: sets by name.
        unit: number of the unit.
        changing: as in `logistic`.
        fold: fold of people that is left out.
    """
    ck = sets["ckplus48"]
    train = ck.faces.is_train & (ck.folds != fold)
    label = ck.faces.labels[f"unit{unit}"][train]
    x = [ck.x[train][:, index] for index in (0, 1, LOOKS.index("tight"))]
    y, weights = [np.tile(label, 3)], [np.ones(3 * len(label))]
    without = neutral(sets)
    if unit in OPEN:
        without += [(own, own.faces.is_train & (own.faces.heads.openings[:, 0] < CLOSED))
                    for own in (sets["mtfl"], sets["youtube_faces"], sets["ferplus"])]  # fmt: skip
    rng = np.random.default_rng(unit)
    for parts, value, total in (
        (without, 0.0, NEUTRAL_SHARE * 3 * len(label)), (shown(sets, unit), 1.0, SHOWN_SHARE * 3 * label.sum()),
    ):  # fmt: skip
        for own, use in parts:
            places = np.flatnonzero(use & (own.folds != fold))
            places = rng.permutation(places)[:MOST_FACES]
            for index, share in LOOK_SHARES.items():
                x.append(own.x[places][:, index])
                y.append(np.full(len(places), value))
                weights.append(np.full(len(places), total * share / len(parts) / len(places)))
    return logistic(
        np.concatenate(x), np.concatenate(y), np.concatenate(weights), penalty=PENALTY, changing=changing,
        steady=STEADY,
    )  # fmt: skip


class Unseen(NamedTuple):
    """Scores of a unit by maps that have not seen a face's person, with its label."""

    posed: np.ndarray
    """(N,) of CK+."""
    labels: np.ndarray
    """(N,) 0 or 1."""
    resting: list[np.ndarray]
    """(M,) of neutral faces of each other set."""

    def alarms(self, threshold: float) -> float:
        """Share of neutral faces in which the unit is called present, each set counting alike."""
        return float(np.mean([(each >= threshold).mean() for each in self.resting]))

    def threshold(self, price: float) -> float:
        """The score with the best balance of recall, false alarms on CK+, and those on neutral faces at a price."""
        steps = np.unique(np.concatenate([self.posed, *self.resting]))
        steps = steps[:: max(len(steps) // MOST_STEPS, 1)]
        allowed = [step for step in steps if self.alarms(step) <= MOST_OF_A_UNIT]
        shown, hidden = self.posed[self.labels == 1], self.posed[self.labels == 0]

        def balance(step: float) -> float:
            return float((shown >= step).mean() + (hidden < step).mean() - price * self.alarms(step))

        return float(max(allowed, key=balance))


def unseen(sets: dict[str, Looked], unit: int, changing: np.ndarray) -> Unseen:
    """Scores of a unit on training people, each by a map that was fitted to other folds."""
    ck = sets["ckplus48"]
    folds = [fit_unit(sets, unit, changing, fold=fold) for fold in range(NUM_FOLDS)]

    def scores(own: Looked, use: np.ndarray) -> np.ndarray:
        made = np.zeros(len(use))
        for fold, fitted in enumerate(folds):
            at = use & (own.folds == fold)
            made[at] = fitted(own.x[at][:, NEAR])[:, 0]
        return np.asarray(made[use])

    train = ck.faces.is_train
    return Unseen(scores(ck, train), ck.faces.labels[f"unit{unit}"][train],
                  [scores(own, use) for own, use in neutral(sets)])  # fmt: skip


def fit_units(
    sets: dict[str, Looked], changing: np.ndarray
) -> tuple[dict[int, Linear], dict[str, Any], dict[str, float]]:
    """Log-odds of each unit, calibrated, with its threshold at a probability of a half.

    Scores of people that a map has not seen are calibrated on CK+ and as many neutral faces. The threshold is where the
    balanced accuracy on CK+ is best, with a price on false alarms on neutral faces. The log-odds are shifted there, so
    that they are calibrated for faces among which the unit is as common as is returned.

    Returns:
        The maps by unit, figures of training folds, and how common each unit is assumed to be, by column.
    """
    scores = {unit: unseen(sets, unit, changing) for unit in UNITS}
    for price in PRICES:
        thresholds = {unit: own.threshold(price) for unit, own in scores.items()}
        if np.mean([own.alarms(thresholds[unit]) for unit, own in scores.items()]) <= FALSE_ALARMS:
            break
    fitted: dict[int, Linear] = {}
    common: dict[str, float] = {}
    figures: dict[str, Any] = {"units: price of a false alarm on neutral faces": price}
    for unit, own in scores.items():
        is_shown = np.concatenate([own.labels, *(np.zeros(len(each)) for each in own.resting)])
        weights = np.concatenate([
            np.full(len(own.posed), 1 / len(own.posed)),
            *(np.full(len(each), 1 / len(each) / len(own.resting)) for each in own.resting),
        ])  # fmt: skip
        factor, offset = platt(np.concatenate([own.posed, *own.resting]), is_shown, weights)
        threshold = thresholds[unit]
        usual = float(np.average(is_shown, weights=weights))
        odds = usual / (1 - usual) * np.exp(-factor * threshold - offset)
        common[f"AU{unit:02d}"] = float(odds / (1 + odds))
        fitted[unit] = rescaled(fit_unit(sets, unit, changing), factor, -factor * threshold)
        figures[f"unit {unit}, training folds: AUC, recall, false alarms, on neutral faces, as common as"] = [
            round(float(each), 3)
            for each in (auc(own.labels, own.posed), (own.posed[own.labels == 1] >= threshold).mean(),
                         (own.posed[own.labels == 0] >= threshold).mean(), own.alarms(threshold),
                         common[f"AU{unit:02d}"])
        ]  # fmt: skip
    return fitted, figures, common
