"""A smile: as the mouth of the mesh shows it on every face, and as people said it of some.

Labels of smiles are few, noisy, and mostly of other pictures than portraits. The mesh's mouth, fitted to them, tells a
smile about as well as they do, on every training face. The reader's map is fitted to both.
"""

from __future__ import annotations

import numpy as np
from linear import logistic
from sums import Looked, Target

MOST = 6.0
"""Upper bound of the mesh's log-odds: beyond it, a smile is not more of one."""
FER_SHARE, MESH_PENALTY = 0.5, 1e-3
LABEL_SHARE = 2.0
"""Weight of the labels (1, -1) beside the mesh's log-odds."""
SURE = 0.6
"""Agreement of FER+'s annotators from which their label counts."""


def said(own: Looked) -> np.ndarray:
    """(N,) 1: people call the face smiling; -1: they do not; 0: nobody said."""
    labels = own.faces.labels
    if own.faces.name == "mtfl":
        return np.asarray(np.nan_to_num(2 * labels["smile"] - 1))
    if own.faces.name == "ferplus":
        return np.where(labels["agreement"] >= SURE, np.where(labels["expression"] == 1, 1.0, -1.0), 0.0)
    if own.faces.name == "cmu_faces":
        return np.where(labels["acted"] == "happy", 1.0, np.where(labels["acted"] == "neutral", -1.0, 0.0))
    return np.zeros(len(own.faces.names))


def smile_target(sets: dict[str, Looked]) -> Target:
    """Gives (N, 1): the mesh's log-odds of a smile and the label; the mesh's mouth is fitted to MTFL and FER+."""
    parts = [(sets["mtfl"], 1.0), (sets["ferplus"], FER_SHARE)]
    use = [(own, share, own.faces.is_train & (said(own) != 0)) for own, share in parts]
    mouths = np.concatenate([own.faces.heads.mouth[chosen] for own, _, chosen in use])
    fitted = logistic(
        mouths,
        np.concatenate([said(own)[chosen] > 0 for own, _, chosen in use]).astype(float),
        np.concatenate([np.full(chosen.sum(), share / chosen.sum()) for _, share, chosen in use]),
        penalty=MESH_PENALTY,
        changing=np.zeros((mouths.shape[1],) * 2),
        steady=0.0,
    )
    made = {
        name: np.clip(fitted(own.faces.heads.mouth), -MOST, MOST) + LABEL_SHARE * said(own)[:, None]
        for name, own in sets.items()
    }
    return lambda own, look: made[own.faces.name]
