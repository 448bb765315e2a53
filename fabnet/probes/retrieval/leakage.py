"""Identity leakage: whether nearest neighbours from other clips are the same person, and whether a line tells people.

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
    """The area under the ROC curve of "the same person" by the cosine, in per cent.

    Pairs are of one person in different clips, against two people; pairs in one clip do not count. In a bootstrap over
    people a pair weighs as often as both its people were drawn.

    Args:
        vectors: (M, D) float32 of length 1.
        people: (M,) who it is.
        clips: (M,) the clip that it comes from.
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
    """Part people's faces by clip: three folds, each scored once by a probe that saw the other clips.

    Args:
        people: (M,) who it is.
        clips: (M,) the clip that it comes from.

    Returns:
        One a fold, of the people in three clips or more; none where there are not two of them.
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
    """How often a linear probe names the right one of these people on a clip that it was not fitted on.

    Logistic regression; its penalty is chosen on another clip again, which it is then fitted on too.

    Args:
        features: (M, D) of the faces.
        people: (M,) who it is.
        clips: (M,) the clip that it comes from.
        pca: reduce features to so many principal components first.

    Returns:
        The accuracy in per cent and that of guessing; none where there are not two people in three clips or more.
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
