"""Probes to keep: fitted for use on other faces than the benchmark's, saved as files for `fabnet embed`.

Classes and units are learned with balanced weights, as if all were equally common. A kept probe's logits are then
shifted by the logarithm of each one's frequency among the training faces, so that they give probabilities (Menon et
al.: Long-tail learning via logit adjustment, ICLR 2021). No AUC changes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fabnet.encoders.saved_probe import SavedProbe
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.evaluate import Fitted, ProbeName, fit_chosen, probe_name, score_task
from fabnet.probes.intervals import figure_rows
from fabnet.probes.parts import Parts, parts_of, training_parts
from fabnet.probes.tasks.task import Task

__all__ = ["best_probe", "last_probe"]


def last_probe(
    name: ProbeName, task: Task, features: np.ndarray, benchmark: Benchmark, seen_px: np.ndarray, digest: str
) -> SavedProbe:
    """A task's probe, fitted on the training and validation people; with cross-validation, on everybody.

    Args:
        name: name of the probe, see `fit_chosen`.
        task: task of the benchmark.
        features: (N, D) of its faces.
        benchmark: the benchmark with its split.
        seen_px: (N, 4) the part of each image that the network sees.
        digest: digest of the encoder.
    """
    fit, select = training_parts(benchmark)
    training = np.concatenate([fit, select])
    fitted = _fitted(name, task, features, task.learned(seen_px, training).targets, fit, select)
    return _saved(fitted, task, benchmark, seen_px, training, digest)


def best_probe(task: Task, features: np.ndarray, benchmark: Benchmark, seen_px: np.ndarray, digest: str) -> SavedProbe:
    """A task's probe, fitted on the training people, of the kind that scores better on the validation people.

    The test people are never read. If a benchmark is cross-validated, a fifth of its people validates.

    Args:
        task: task of the benchmark.
        features: (N, D) of its faces.
        benchmark: the benchmark with its split.
        seen_px: (N, 4) the part of each image that the network sees.
        digest: digest of the encoder.

    Returns:
        The probe, with its figures on the validation people, on whom it was not fitted.
    """
    benchmark = replace(benchmark, folds=0)
    (parts,) = parts_of(benchmark, "val")
    training = np.concatenate([parts.fit, parts.select])
    found = []
    kinds: tuple[ProbeName, ...] = ("ridge", "paper")
    for name in kinds:
        kept: list[Fitted] = []

        def fit_predict(
            part: Parts, learned: np.ndarray, seed: int, *, name: ProbeName = name, kept: list[Fitted] = kept
        ) -> tuple[np.ndarray, str]:
            kept.append(_fitted(name, task, features, learned, part.fit, part.select))
            return kept[0].probe.predict(features[part.score]), kept[0].chosen

        scored = score_task(task, seen_px, [parts], fit_predict, probe=probe_name(name, task))
        rows = figure_rows(scored, benchmark)
        (headline,) = [row for row in rows if row["headline"]]
        value = -np.inf if headline["value"] is None else float(headline["value"])
        found.append((-abs(value) if "error" in headline["metric"] else value, kept[0], rows))
    _, fitted, rows = max(found, key=lambda each: each[0])
    return replace(_saved(fitted, task, benchmark, seen_px, training, digest), scores=tuple(rows))


def _fitted(
    name: ProbeName, task: Task, features: np.ndarray, learned: np.ndarray, fit: np.ndarray, select: np.ndarray
) -> Fitted:
    training = np.concatenate([fit, select])
    is_select = np.arange(len(training)) >= len(fit)
    fitted = fit_chosen(name, task, features[training], learned[training], is_select=is_select)
    fitted.probe.intercept_ = fitted.probe.intercept_ + task.commonness(training)
    return fitted


def _saved(
    fitted: Fitted, task: Task, benchmark: Benchmark, seen_px: np.ndarray, training: np.ndarray, digest: str
) -> SavedProbe:
    probe, learned = fitted.probe, task.learned(seen_px, training)
    source = f"{benchmark.name}, {len(training)} faces"
    return SavedProbe(
        task.name,
        task.kind,
        task.output_names,
        learned.scale,
        learned.centre,
        probe.coef_,
        probe.intercept_,
        digest,
        source,
    )
