"""Ranks a gallery for each query: the mean over the top k, with chance and the best possible ranking for comparison.

Letters: M faces, each a query against the others, D features, K sizes of the top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fabnet.errors import InputError

__all__ = ["AtK", "at_k", "gallery_sizes", "nearest", "sizes_of_top", "unit"]

SIZES = (1, 5, 10, 50)
GALLERY_PER_PLACE = 10
"""Minimum gallery size over k: a top k is scored only if every query's gallery holds 10 k faces."""
QUERIES_AT_ONCE = 256


class AtK(NamedTuple):
    """A measure of the retrieved faces, for each query; NaN where a face is not a query.

    Attributes:
        got: (M, K) mean over the top k.
        chance: (M,) mean over the whole gallery.
        best: (M, K) mean over the k best faces of the gallery.
    """

    got: np.ndarray
    chance: np.ndarray
    best: np.ndarray


def unit(features: np.ndarray) -> np.ndarray:
    """(M, D) float to float32 of length 1, so that inner products are cosines; zero vectors stay zero."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def gallery_sizes(groups: np.ndarray) -> np.ndarray:
    """(M,) int64 number of faces in other groups than each face's."""
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(len(groups) - counts[codes])


def sizes_of_top(groups: np.ndarray) -> tuple[int, ...]:
    """The sizes of the top to score: those of 1, 5, 10 and 50 of which the smallest gallery holds ten times as many,
    and always 1.

    Args:
        groups: (M,) group of each face (the person); a query's gallery excludes its own.

    Raises:
        InputError: there are fewer than two groups.
    """
    smallest = int(gallery_sizes(groups).min()) if len(groups) else 0
    if smallest == 0:
        raise InputError(f"retrieval needs faces of two people or more; found {len(groups)} faces of one")
    return tuple(size for size in SIZES if size == 1 or GALLERY_PER_PLACE * size <= smallest)


def _chunks(count: int) -> Iterator[np.ndarray]:
    for first in range(0, count, QUERIES_AT_ONCE):
        yield np.arange(first, min(first + QUERIES_AT_ONCE, count))


def nearest(vectors: np.ndarray, groups: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """The faces of other groups that are most similar to each face.

    Args:
        vectors: (M, D) float32 of length 1.
        groups: (M,) group of each face.
        count: number of faces to return; at most the size of the smallest gallery.
        seed: seed of the random order of ties, drawn anew per query, so that an uninformative embedding is at chance.

    Returns:
        (M, count) int64 indices, the most similar first.
    """
    generator = np.random.default_rng(seed)
    top = np.empty((len(vectors), count), dtype=np.int64)
    for chunk in _chunks(len(vectors)):
        similarity = vectors[chunk] @ vectors.T
        similarity[groups[chunk, None] == groups] = -np.inf
        top[chunk] = np.lexsort((generator.random(similarity.shape), -similarity))[:, :count]
    return top


def at_k(
    measure: Callable[[np.ndarray], np.ndarray],
    top: np.ndarray,
    groups: np.ndarray,
    sizes: Sequence[int],
    *,
    is_query: np.ndarray,
    larger_is_better: bool,
) -> AtK:
    """Apply a measure to the faces retrieved for each query.

    Args:
        measure: function from indices (Q,) of queries to (Q, M) values against every face.
        top: (M, count) indices from `nearest`.
        groups: (M,) the groups passed to `nearest`.
        sizes: K sizes of the top, the largest at most `count`.
        is_query: (M,) bool, which faces are queries.
        larger_is_better: whether the measure is a share rather than a distance.
    """
    sign = -1.0 if larger_is_better else 1.0
    got, best = (np.full((len(groups), len(sizes)), np.nan) for _ in range(2))
    chance = np.full(len(groups), np.nan)
    for chunk in _chunks(len(groups)):
        queries = chunk[is_query[chunk]]
        if not len(queries):
            continue
        values = np.asarray(measure(queries), dtype=np.float64)
        is_gallery = groups[queries, None] != groups
        chance[queries] = (values * is_gallery).sum(axis=1) / is_gallery.sum(axis=1)
        shown = np.take_along_axis(values, top[queries], axis=1)
        ideal = np.sort(np.where(is_gallery, sign * values, np.inf), axis=1)[:, : max(sizes)] * sign
        for place, size in enumerate(sizes):
            got[queries, place] = shown[:, :size].mean(axis=1)
            best[queries, place] = ideal[:, :size].mean(axis=1)
    return AtK(got, chance, best)
