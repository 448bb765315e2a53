"""Action units: CK+'s labels, and other sets' faces that show a unit or none, so that a neutral face gets none.

CK+'s pictures are grey, posed and framed tightly. Without other faces, a map learns this look: it said "present" of a
third of the units of neutral faces in colour. So neutral faces of other sets count as faces without any unit, and these
as faces with one: faces with an expression that contains it (Ekman, Friesen: EMFACS), or whose mouth is open in the
mesh. All come in both looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from faces import EXPRESSIONS, UNITS
from linear import Linear, logistic
from looks import LOOKS

if TYPE_CHECKING:
    from fit import Looked

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


def neutral(sets: dict[str, Looked]) -> list[tuple[Looked, np.ndarray]]:
    """Training faces without any unit, of each set."""
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
    return [(own, use & own.faces.is_train) for own, use in parts]


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


def fit_units(sets: dict[str, Looked], changes: np.ndarray) -> dict[int, Linear]:
    """Log-odds of each unit."""
    ck = sets["ckplus48"]
    train = ck.faces.is_train
    fitted = {}
    for unit in UNITS:
        label = ck.faces.labels[f"unit{unit}"][train]
        x = [ck.x[train][:, index] for index in (0, 1, LOOKS.index("tight"))]
        y, weights = [np.tile(label, 3)], [np.ones(3 * len(label))]
        without = neutral(sets)
        if unit in OPEN:
            without += [(own, own.faces.is_train & (own.faces.heads.openings[:, 0] < CLOSED))
                        for own in (sets["mtfl"], sets["youtube_faces"], sets["ferplus"])]  # fmt: skip
        for parts, value, total in (
            (without, 0.0, NEUTRAL_SHARE * 3 * len(label)), (shown(sets, unit), 1.0, SHOWN_SHARE * 3 * label.sum()),
        ):  # fmt: skip
            for own, use in parts:
                for index, share in LOOK_SHARES.items():
                    x.append(own.x[use][:, index])
                    y.append(np.full(use.sum(), value))
                    weights.append(np.full(use.sum(), total * share / len(parts) / use.sum()))
        fitted[unit] = logistic(
            np.concatenate(x),
            np.concatenate(y),
            np.concatenate(weights),
            penalty=PENALTY,
            changes=changes,
            steady=STEADY,
        )
    return fitted
