"""Retrieval as a protocol: ranks any benchmark's faces for each other across people, and scores what the top shares.

Queries: every labelled face of the scored people. Gallery: the labelled faces of the other scored people; for identity,
the faces in other clips. The figures are means over queries; a bootstrap draws the queries' people.

Source: section 5.3 of the paper ranks 10,000 test images by cosine and shows examples; the measure is this project's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.evaluate import Scored
from fabnet.probes.measures import Measure
from fabnet.probes.metrics import Figure
from fabnet.probes.parts import Split, parts_of
from fabnet.probes.retrieval.figures import ranking_figures
from fabnet.probes.retrieval.leakage import identity_accuracy, verification_auc
from fabnet.probes.retrieval.ranking import at_k, nearest, sizes_of_top, unit
from fabnet.probes.retrieval.variants import Variant, applied
from fabnet.probes.tasks.task import Task

__all__ = ["IDENTITY", "ranked_protocol", "score_retrieval"]

PROTOCOL = "retrieval"
USUAL = "youtube-faces"
IDENTITY = "identity"


def ranked_protocol(name: str) -> str | None:
    """The benchmark to rank: NAME in "retrieval:NAME", youtube-faces for "retrieval"; None for other protocols."""
    kind, _, rest = name.partition(":")
    return (rest or USUAL) if kind == PROTOCOL else None


def score_retrieval(
    features: np.ndarray,
    benchmark: Benchmark,
    *,
    split: Split,
    variants: Sequence[Variant] = ("raw",),
    pca: int | None = None,
) -> list[Scored]:
    """Score every task of a benchmark, and the leakage of identity, by the nearest neighbours of its faces.

    Identity is scored on people who are in more than one clip, if the benchmark names people and clips.

    Args:
        features: (N, D) of all its faces, before any activation.
        benchmark: the benchmark.
        split: the split whose faces are queries and gallery.
        variants: variants of the embedding; a whitening is fitted on the people that are not scored.
        pca: see `linear_fit_predict`; the ranking uses all D numbers.

    Returns:
        One per variant and task, and one per variant for identity. For each size k of the top: the mean measure, the
        best possible one, and the share of the way from chance to there.

    Raises:
        InputError: the benchmark has no such split, fewer than two people, or no people to fit a whitening on.
    """
    parts = parts_of(benchmark, split)
    faces = np.sort(np.concatenate([part.score for part in parts]))
    if len(parts) > 1 and any("whitened" in variant for variant in variants):
        raise InputError(f"all faces of {benchmark.name} are scored, so no people are left to fit a whitening on")
    training = np.concatenate([parts[0].fit, parts[0].select])
    scored = []
    for variant in variants:
        made = applied(variant, features, training)
        for task in benchmark.tasks:
            places = faces[np.isfinite(task.targets[faces]).all(axis=1)]
            scored.append(_neighbours(made, benchmark, task, places, variant))
        if benchmark.people is not None and benchmark.clips is not None:
            places = faces[_in_several_clips(benchmark.people, benchmark.clips)[faces]]
            people, clips = benchmark.people[places], benchmark.clips[places]
            scored.append(_identity(made, features, people, clips, places, variant, pca))
    return scored


def _in_several_clips(people: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """(N,) bool, the faces of people who are in more than one clip, from the (N,) person and clip of each face."""
    several = [person for person in np.unique(people) if len(np.unique(clips[people == person])) > 1]
    return np.isin(people, several)


def _people(benchmark: Benchmark, places: np.ndarray) -> np.ndarray:
    """The group that a query's gallery excludes: the person, or the photo if people are unnamed."""
    known = benchmark.people if benchmark.people is not None else benchmark.photos
    return np.asarray((np.array(benchmark.names) if known is None else known)[places])


def _neighbours(features: np.ndarray, benchmark: Benchmark, task: Task, places: np.ndarray, variant: Variant) -> Scored:
    groups = _people(benchmark, places)
    sizes = sizes_of_top(groups)
    top = nearest(unit(features[places]), groups, max(sizes))
    measured = task.measures(task.targets[places])
    found = [
        at_k(each.of, top, groups, sizes, is_query=each.is_query, larger_is_better=each.larger_is_better)
        for each in measured
    ]
    return _scored(task.name, variant, ranking_figures(measured, found, sizes), places, top)


def _identity(
    features: np.ndarray,
    before: np.ndarray,
    people: np.ndarray,
    clips: np.ndarray,
    places: np.ndarray,
    variant: Variant,
    pca: int | None,
) -> Scored:
    """Leakage; `before` are the features before whitening, which a linear probe does not need."""
    sizes = sizes_of_top(people)
    vectors = unit(features[places])
    top = nearest(vectors, clips, max(sizes))
    same = Measure(
        "same person, another clip, %", "", lambda queries: 100.0 * (people[queries, None] == people),
        np.ones(len(places), dtype=bool), larger_is_better=True,
    )  # fmt: skip
    found = at_k(same.of, top, clips, sizes, is_query=same.is_query, larger_is_better=True)
    figures = [Figure("verification AUC, %", verification_auc(vectors, people, clips), True)]
    figures += [figure._replace(is_headline=False) for figure in ranking_figures([same], [found], sizes)]
    active = np.maximum(before, 0) if variant.startswith("relu") else before
    figures += identity_accuracy(active[places], people, clips, pca=pca)
    return _scored(IDENTITY, variant, figures, places, top)


def _scored(task: str, variant: Variant, figures: list[Figure], places: np.ndarray, top: np.ndarray) -> Scored:
    ones = np.ones((1, len(places)), dtype=np.float32)
    by_seed = tuple(float(figure.of(ones)[0]) for figure in figures if figure.is_headline)
    everyone = np.ones(len(places), dtype=bool)
    return Scored(task, f"cosine, {variant}", tuple(figures), by_seed, places, everyone, places[top], "nothing")
