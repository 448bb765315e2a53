"""Rankings against brute force: nearest faces, chance and the best possible ranking."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.retrieval.ranking import at_k, nearest, sizes_of_top, unit


def small_set(seed: int = 0, count: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    groups = np.array(["a", "a", "b", "b", "b", "c", "c", "d", "d"])[:count]
    return unit(generator.normal(size=(count, 4))), groups, generator.uniform(size=(count, count))


def test_the_nearest_match_a_plain_loop_and_exclude_the_same_group() -> None:
    vectors, groups, _ = small_set()
    top = nearest(vectors, groups, 3)
    for query in range(len(vectors)):
        others = [face for face in range(len(vectors)) if groups[face] != groups[query]]
        by_hand = sorted(others, key=lambda face: -float(vectors[query] @ vectors[face]))[:3]
        assert top[query].tolist() == by_hand


@pytest.mark.parametrize("larger_is_better", [False, True])
def test_chance_and_best_possible_match_an_enumeration_of_all_rankings(larger_is_better: bool) -> None:
    """Chance is the mean over all choices of two faces; the best possible ranking is the best choice."""
    vectors, groups, values = small_set()
    top = nearest(vectors, groups, 2)
    found = at_k(
        lambda queries: values[queries], top, groups, (1, 2),
        is_query=np.ones(len(groups), bool), larger_is_better=larger_is_better,
    )  # fmt: skip
    for query in range(len(groups)):
        others = np.flatnonzero(groups != groups[query])
        shown = [values[query, list(pair)].mean() for pair in combinations(others.tolist(), 2)]
        assert found.chance[query] == pytest.approx(np.mean(shown))
        assert found.best[query, 1] == pytest.approx(max(shown) if larger_is_better else min(shown))
        assert found.got[query, 1] == pytest.approx(values[query, top[query]].mean())
        assert found.got[query, 0] == pytest.approx(values[query, top[query, 0]])


def test_faces_that_are_not_queries_have_no_figure() -> None:
    vectors, groups, values = small_set()
    is_query = groups == "b"
    found = at_k(
        lambda queries: values[queries], nearest(vectors, groups, 1), groups, (1,),
        is_query=is_query, larger_is_better=False,
    )  # fmt: skip
    assert np.isfinite(found.chance).tolist() == is_query.tolist()
    assert np.isfinite(found.got[:, 0]).tolist() == is_query.tolist()


def test_an_uninformative_embedding_is_at_chance() -> None:
    """Ties are broken at random per query: otherwise all queries would get the same faces."""
    generator = np.random.default_rng(3)
    labels = np.sort(generator.uniform(size=600))
    groups = np.arange(600)
    found = at_k(
        lambda queries: np.abs(labels[queries, None] - labels), nearest(np.zeros((600, 2), np.float32), groups, 10),
        groups, (10,), is_query=np.ones(600, bool), larger_is_better=False,
    )  # fmt: skip
    assert found.got.mean() == pytest.approx(found.chance.mean(), rel=0.03)


def test_a_top_is_at_most_a_tenth_of_the_smallest_gallery() -> None:
    assert sizes_of_top(np.arange(101)) == (1, 5, 10)
    assert sizes_of_top(np.arange(100)) == (1, 5)
    assert sizes_of_top(np.arange(501)) == (1, 5, 10, 50)
    assert sizes_of_top(np.array(["a", "b"])) == (1,)
    with pytest.raises(InputError, match="faces of two people or more; found 3 faces of one"):
        sizes_of_top(np.array(["a", "a", "a"]))
