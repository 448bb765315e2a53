"""Probes to keep: fitted for use on other faces than the benchmark's, saved as files for `fabnet embed`.

Classes and units are learned with balanced weights, as if all were equally common. A kept probe's logits are then
shifted by the logarithm of each one's frequency among the training faces, so that they give probabilities (Menon et
al.: Long-tail learning via logit adjustment, ICLR 2021). No AUC changes.
"""

from __future__ import annotations

import numpy as np

from fabnet.encoders.saved_probe import SavedProbe
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.evaluate import Fitted, ProbeName, fit_chosen
from fabnet.probes.matrix import Selected
from fabnet.probes.parts import training_parts
from fabnet.probes.tasks.task import Task

__all__ = ["last_probe"]


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


def _fitted(
    name: ProbeName, task: Task, features: np.ndarray, learned: np.ndarray, fit: np.ndarray, select: np.ndarray
) -> Fitted:
    training = np.concatenate([fit, select])
    is_select = np.arange(len(training)) >= len(fit)
    fitted = fit_chosen(name, task, Selected(features, training), learned[training], is_select=is_select)
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
