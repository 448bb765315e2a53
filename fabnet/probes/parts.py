"""Divides a benchmark's faces into those to fit, choose and score on; people are kept apart if they are named."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.store.schema import SPLITS

__all__ = ["Parts", "Split", "parts_of", "training_parts"]

Split = Literal["val", "test"]
"""The splits that can be scored."""
SELECT_SHARE = 0.2
"""Share of the training people (faces, if people are unnamed) on which a probe is chosen."""


class Parts(NamedTuple):
    """Disjoint sets of faces, as (n,) int64 indices in a benchmark.

    Attributes:
        fit: faces to fit a probe on.
        select: faces to choose its hyper-parameters on; it is fitted on them afterwards too.
        score: faces to score.
    """

    fit: np.ndarray
    select: np.ndarray
    score: np.ndarray


def parts_of(benchmark: Benchmark, split: Split) -> list[Parts]:
    """Divide a benchmark's faces.

    If the benchmark names no "val", it is a fifth of the training people, by a stable hash. To score on "val", a probe
    is chosen on a fifth of the others; to score on "test", it is chosen on "val" and finally fitted on both.

    Args:
        benchmark: the benchmark with its split or a number of folds.
        split: the split to score on.

    Returns:
        One item; with cross-validation, one per fold.

    Raises:
        InputError: a part would be empty, or a person would be in two.
    """
    owners = benchmark.owners
    if benchmark.folds:
        if split == "val":
            raise InputError(
                f"{benchmark.name} is cross-validated by person over all its faces, so it has no validation part: use "
                "--split test, and choose on another protocol"
            )
        return _folds(owners, benchmark.folds)
    place = np.array([_place(str(owner)) for owner in owners])
    train, val = _train_and_val(benchmark, place)
    test = np.flatnonzero(benchmark.split == "test")
    if split == "val":
        # Taken from the other end of the hash, so that it differs from the default "val" part.
        is_select = place[train] >= 1 - SELECT_SHARE
        parts = Parts(train[~is_select], train[is_select], val)
    else:
        parts = Parts(train, val, test)
    for name, part in zip(("to fit on", "to choose on", "to score"), parts, strict=True):
        if not len(part):
            counts = {each: int((benchmark.split == each).sum()) for each in SPLITS}
            raise InputError(f"{benchmark.name} has no faces {name} for split {split}; its splits hold {counts}")
    _check_apart(benchmark, parts)
    return [parts]


def training_parts(benchmark: Benchmark) -> tuple[np.ndarray, np.ndarray]:
    """The people that a probe for use on other faces is fitted and chosen on: all but the test people.

    Args:
        benchmark: the benchmark with its split; with a number of folds, everybody is trained on.

    Returns:
        Indices of the faces to fit on, and of those to choose on, (n,) int64 each.
    """
    owners = benchmark.owners
    if benchmark.folds:
        first = _folds(owners, benchmark.folds)[0]
        return np.concatenate([first.fit, first.score]), first.select
    return _train_and_val(benchmark, np.array([_place(str(owner)) for owner in owners]))


def _train_and_val(benchmark: Benchmark, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By the split; if nobody is "val", a fifth of the training people by their (N,) hash positions."""
    train, val = (np.flatnonzero(benchmark.split == name) for name in ("train", "val"))
    if not len(val):
        is_val = place[train] < SELECT_SHARE
        train, val = train[~is_val], train[is_val]
    return train, val


def _place(owner: str) -> float:
    return int.from_bytes(hashlib.sha256(f"probe {owner}".encode()).digest()[:8], "big") / 2**64


def _folds(owners: np.ndarray, count: int) -> list[Parts]:
    names, codes = np.unique(owners, return_inverse=True)
    if len(names) < count + 2:
        raise InputError(f"{count} folds by person need {count + 2} people or more; found {len(names)}")
    order = np.argsort([_place(str(name)) for name in names], kind="stable")
    fold = np.empty(len(names), dtype=np.int64)
    fold[order] = np.arange(len(names)) % count
    of_face = fold[codes]
    parts = []
    for scored in range(count):
        chosen_on = (scored + 1) % count
        fit = np.flatnonzero((of_face != scored) & (of_face != chosen_on))
        parts.append(Parts(fit, np.flatnonzero(of_face == chosen_on), np.flatnonzero(of_face == scored)))
    return parts


def _check_apart(benchmark: Benchmark, parts: Parts) -> None:
    if benchmark.people is None:
        return
    fit, select, score = (set(benchmark.people[part].tolist()) for part in parts)
    for what, shared in (("trained and scored on", (fit | select) & score), ("fitted and chosen on", fit & select)):
        if shared:
            raise InputError(
                f"{benchmark.name}: {len(shared)} people ({sorted(shared)[0]}, ...) are both {what}; split by person"
            )
