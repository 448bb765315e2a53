"""Identity leakage: how well nearest neighbours in other clips, and a linear probe, identify people.

Letters: M faces, D features.
"""

from __future__ import annotations

import numpy as np

from fabnet.probes.evaluate import linear_fit_predict
from fabnet.probes.metrics import Figure, Weighted, auc, weighted_mean
from fabnet.probes.parts import Parts
from fabnet.probes.tasks.labels import Classes

__all__ = ["clip_folds", "identity_accuracy", "verification_auc"]

CLIP_FOLDS = 3
DRAWS_AT_ONCE = 32


def verification_auc(vectors: np.ndarray, people: np.ndarray, clips: np.ndarray) -> Weighted:
    """The area under the ROC curve of "the same person" by cosine, in per cent.

    Positive pairs are of one person in different clips, negative pairs of two people; pairs within a clip do not count.
    In a bootstrap over people, a pair's weight is the product of the counts of its people.

    Args:
        vectors: (M, D) float32 of length 1.
        people: (M,) the person of each face.
        clips: (M,) the clip of each face.
    """
    first, second = np.triu_indices(len(vectors), 1)
    differs = clips[first] != clips[second]
    first, second = first[differs], second[differs]
    is_same = people[first] == people[second]
    area = auc((vectors @ vectors.T)[first, second], is_same.astype(np.float64))

    def of(weights: np.ndarray) -> np.ndarray:
        values = []
        for begin in range(0, len(weights), DRAWS_AT_ONCE):
            some = weights[begin : begin + DRAWS_AT_ONCE]
            values.append(area(np.where(is_same, some[:, first], some[:, first] * some[:, second])))
        return np.concatenate(values)

    return of


def clip_folds(people: np.ndarray, clips: np.ndarray) -> list[Parts]:
    """Divide people's faces by clip: three folds, each scored once by a probe that saw the other clips.

    Args:
        people: (M,) the person of each face.
        clips: (M,) the clip of each face.

    Returns:
        One item per fold, with the people in three clips or more; empty if there are fewer than two such people.
    """
    fold = np.full(len(people), -1)
    for person in np.unique(people):
        of_person = np.flatnonzero(people == person)
        names, codes = np.unique(clips[of_person], return_inverse=True)
        if len(names) >= CLIP_FOLDS:
            fold[of_person] = codes % CLIP_FOLDS
    if len(np.unique(people[fold >= 0])) < 2:
        return []
    return [
        Parts(*(np.flatnonzero(fold == (scored + step) % CLIP_FOLDS) for step in (2, 1, 0)))
        for scored in range(CLIP_FOLDS)
    ]


def identity_accuracy(
    features: np.ndarray, people: np.ndarray, clips: np.ndarray, *, pca: int | None = None
) -> list[Figure]:
    """The accuracy of a linear probe that identifies these people on clips that it was not fitted on.

    Logistic regression; its penalty is chosen on yet another clip, which it is then fitted on too.

    Args:
        features: (M, D) of the faces.
        people: (M,) the person of each face.
        clips: (M,) the clip of each face.
        pca: number of principal components to reduce features to first; None: no reduction.

    Returns:
        The accuracy in per cent and that of guessing; empty if fewer than two people are in three clips or more.
    """
    parts = clip_folds(people, clips)
    if not parts:
        return []
    places = np.concatenate([part.score for part in parts])
    names, codes = np.unique(people[places], return_inverse=True)
    targets = np.full((len(people), 1), np.nan)
    targets[places, 0] = codes
    task = Classes(name="identity", targets=targets, columns=tuple(map(str, names)))
    predict = linear_fit_predict(features, task, "ridge", pca=pca)
    is_right = np.full(len(people), np.nan)
    for part in parts:
        logits, _ = predict(part, targets, 0)
        is_right[part.score] = 100.0 * (logits.argmax(axis=1) == targets[part.score, 0])
    guessing = np.where(np.isfinite(is_right), 100 / len(names), np.nan)
    return [
        Figure("linear probe, accuracy, %", weighted_mean(is_right)),
        Figure("linear probe, accuracy, %, chance", weighted_mean(guessing)),
    ]
