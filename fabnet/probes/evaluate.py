"""From features and labels to figures: choose a probe on held-out people, fit it, score it.

Letters: N faces, D features, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.linear import LinearProbe, Probe
from fabnet.probes.matrix import Matrix, Selected
from fabnet.probes.metrics import Figure, mean_of
from fabnet.probes.parts import Parts, Split, parts_of
from fabnet.probes.tasks.task import Task

__all__ = [
    "FitPredict",
    "Fitted",
    "ProbeName",
    "Scored",
    "fit_chosen",
    "linear_fit_predict",
    "probe_name",
    "score_features",
    "score_task",
]

ProbeName = Literal["paper", "ridge"]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A task scored on some faces.

    Attributes:
        task: name of the task.
        probe: name of the probe.
        figures: functions of these faces' weights; with several seeds, their means.
        by_seed: (seeds,) the headline figure of each seed.
        places: (M,) indices of the faces in the benchmark.
        has_label: (M,) bool, the faces with a label of the task.
        predicted: (M, K) predictions of the first seed, in the units of the task's targets (logits for classes and
            units).
        chosen: the chosen hyper-parameter, in words.
    """

    task: str
    probe: str
    figures: tuple[Figure, ...]
    by_seed: tuple[float, ...]
    places: np.ndarray
    has_label: np.ndarray
    predicted: np.ndarray
    chosen: str


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A probe with its chosen hyper-parameter in words."""

    probe: Probe
    chosen: str


def fit_chosen(
    name: ProbeName, task: Task, features: Matrix, targets: np.ndarray, *, is_select: np.ndarray, seed: int = 0
) -> Fitted:
    """Choose a probe's hyper-parameter on some faces, then fit it on all of them.

    Args:
        name: "paper": batch-norm and a linear layer trained with Adam, the number of epochs is chosen; "ridge": in
            closed form (logistic regression for classes and units), the penalty is chosen.
        task: task whose loss the probe is trained and chosen by.
        features: (N, D) of the training faces.
        targets: (N, K) as learned, NaN without a label.
        is_select: (N,) bool: the faces to choose on; the others are fitted on first.
        seed: seed of the paper's probe.

    Raises:
        InputError: too few faces have a label.
    """
    known = np.isfinite(targets).any(axis=1)
    features, targets, is_select = Selected(features, known), targets[known], is_select[known]
    fit, select = ((Selected(features, each), targets[each]) for each in (~is_select, is_select))
    if len(fit[0]) < 2 or not len(select[0]):
        raise InputError(
            f"{len(fit[0])} labelled faces to fit a probe on and {len(select[0])} to choose it on; expected at least 2 "
            "and 1: check that the labels are in the right split"
        )
    if name == "paper":
        tried = LinearProbe(task.loss, seed=seed).fit(*fit, select=select)
        probe = LinearProbe(task.loss, seed=seed, epochs=tried.epochs_).fit(features, targets)
        return Fitted(probe, f"{tried.epochs_} epochs")
    candidates = task.candidates()
    losses = {
        words: task.loss.selection(make().fit(*fit).predict(select[0]), select[1]) for words, make in candidates.items()
    }
    best = min(losses, key=lambda words: losses[words])
    return Fitted(candidates[best]().fit(features, targets), best)


FitPredict = Callable[[Parts, np.ndarray, int], tuple[np.ndarray, str]]
"""From parts, (N, K) learned targets of all faces and a seed to (M, K) predictions of the part to score, as learned,
and the chosen hyper-parameter in words."""


def score_task(
    task: Task, seen_px: np.ndarray, parts: Sequence[Parts], fit_predict: FitPredict, *, probe: str, seeds: int = 1
) -> Scored:
    """Score one task.

    Args:
        task: the task.
        seen_px: (N, 4) the part of each image that the network sees.
        parts: the faces to fit, choose and score on; several with cross-validation, whose predictions are pooled.
        fit_predict: the method to score.
        probe: name of the method.
        seeds: number of seeds to run.
    """
    training = np.unique(np.concatenate([each for part in parts for each in (part.fit, part.select)]))
    learned, back, _, _ = task.learned(seen_px, training)
    places = np.sort(np.concatenate([part.score for part in parts]))
    chosen: list[str] = []
    all_figures: list[tuple[Figure, ...]] = []
    all_predicted = []
    for seed in range(seeds):
        made = np.full((len(learned), task.num_outputs), np.nan)
        for part in parts:
            made[part.score], words = fit_predict(part, learned, seed)
            chosen.append(words)
        all_predicted.append(back(made)[places])
        all_figures.append(task.figures(all_predicted[-1], task.targets[places]))
    figures = tuple(
        same[0]._replace(of=mean_of([figure.of for figure in same])) for same in zip(*all_figures, strict=True)
    )
    ones = np.ones((1, len(places)), dtype=np.float32)
    by_seed = tuple(float(each.of(ones)[0]) for figures in all_figures for each in figures if each.is_headline)
    words = ", ".join(dict.fromkeys(chosen))
    return Scored(task.name, probe, figures, by_seed, places, task.has_label[places], all_predicted[0], words)


def linear_fit_predict(features: np.ndarray, task: Task, probe: ProbeName, *, pca: int | None = None) -> FitPredict:
    """A linear probe on frozen features, for `score_task`.

    Args:
        features: (N, D) of all faces.
        task: the task.
        probe: see `fit_chosen`.
        pca: number of principal components of the training faces to reduce features to first; None: no reduction.
    """

    def fit_predict(part: Parts, learned: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
        training = np.concatenate([part.fit, part.select])
        inputs = _reduced(features, training, pca)
        is_select = np.arange(len(training)) >= len(part.fit)
        fitted = fit_chosen(probe, task, Selected(inputs, training), learned[training], is_select=is_select, seed=seed)
        return fitted.probe.predict(Selected(inputs, part.score)), fitted.chosen

    return fit_predict


def probe_name(probe: ProbeName, task: Task) -> str:
    """The name of a probe in results."""
    return probe if probe == "paper" else task.closed_form


def _reduced(features: np.ndarray, training: np.ndarray, pca: int | None) -> np.ndarray:
    if pca is None or features.shape[1] <= pca:
        return features
    from sklearn.decomposition import PCA

    count = min(pca, len(training) - 1)
    reduction = PCA(count, svd_solver="randomized", random_state=0).fit(features[training])
    return np.asarray(reduction.transform(features))


def score_features(
    features: np.ndarray,
    benchmark: Benchmark,
    seen_px: np.ndarray,
    *,
    split: Split,
    probe: ProbeName = "paper",
    seeds: int = 3,
    pca: int | None = None,
) -> list[Scored]:
    """Score every task of a benchmark by linear probes on frozen features.

    Args:
        features: (N, D) of all its faces.
        benchmark: the benchmark with its split.
        seen_px: (N, 4) the part of each image that the network sees.
        split: the split to score on.
        probe: see `fit_chosen`.
        seeds: number of seeds of the paper's probe; the closed form has none.
        pca: see `linear_fit_predict`.

    Raises:
        InputError: the benchmark has no such split, or too few labels.
    """
    parts = parts_of(benchmark, split)
    return [
        score_task(
            task, seen_px, parts, linear_fit_predict(features, task, probe, pca=pca),
            probe=probe_name(probe, task), seeds=seeds if probe == "paper" else 1,
        )
        for task in benchmark.tasks
    ]  # fmt: skip
