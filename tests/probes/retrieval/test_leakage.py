"""Identity leakage on sets with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fabnet.probes.metrics import bootstrap_weights
from fabnet.probes.retrieval.leakage import clip_folds, identity_accuracy, verification_auc
from fabnet.probes.retrieval.ranking import unit

PEOPLE = np.repeat(["a", "b", "c", "d"], 6)
CLIPS = np.array([f"{person}/{place % 3}" for person, place in zip(PEOPLE, list(range(6)) * 4, strict=True)])


def pairs(vectors: np.ndarray) -> tuple[list[float], list[bool], list[tuple[int, int]]]:
    scores, same, which = [], [], []
    for i in range(len(vectors)):
        for j in range(i):
            if CLIPS[i] != CLIPS[j]:
                scores.append(float(vectors[i] @ vectors[j]))
                same.append(bool(PEOPLE[i] == PEOPLE[j]))
                which.append((i, j))
    return scores, same, which


def test_verification_excludes_pairs_within_a_clip_and_matches_scikit_learn() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(24, 5)))
    scores, same, which = pairs(vectors)
    area = verification_auc(vectors, PEOPLE, CLIPS)
    assert area(np.ones((1, 24), np.float32))[0] == pytest.approx(100 * roc_auc_score(same, scores))
    # In a bootstrap, a person drawn twice counts twice in its own pairs and twice in each pair with another.
    weights = bootstrap_weights(PEOPLE, draws=40)
    for draw in (0, 7, 39):
        counts = weights[draw]
        by_hand = [counts[i] if is_same else counts[i] * counts[j] for (i, j), is_same in zip(which, same, strict=True)]
        expected = 100 * roc_auc_score(same, scores, sample_weight=by_hand)
        assert area(weights)[draw] == pytest.approx(expected)


def test_clips_divide_people_into_three_folds() -> None:
    people, clips = np.append(PEOPLE, ["e", "e"]), np.append(CLIPS, ["e/0", "e/1"])
    folds = clip_folds(people, clips)
    assert len(folds) == 3
    scored = np.concatenate([fold.score for fold in folds])
    assert sorted(scored.tolist()) == list(range(24))  # e is in two clips only
    for fold in folds:
        seen = [set(clips[part]) for part in fold]
        assert sum(map(len, seen)) == len(set().union(*seen))
        assert all(set(people[part]) == set(PEOPLE) for part in fold)
    assert clip_folds(PEOPLE[:6], CLIPS[:6]) == []


def test_a_linear_probe_identifies_people_only_if_the_embedding_does() -> None:
    generator = np.random.default_rng(1)
    told = np.repeat(np.eye(4), 6, axis=0) + 0.05 * generator.normal(size=(24, 4))
    ones = np.ones((1, 24), np.float32)
    accuracy, guessing = (figure.of(ones)[0] for figure in identity_accuracy(told, PEOPLE, CLIPS))
    assert (accuracy, guessing) == (100, 25)
    hidden, _ = (figure.of(ones)[0] for figure in identity_accuracy(generator.normal(size=(24, 4)), PEOPLE, CLIPS))
    assert hidden < 65
