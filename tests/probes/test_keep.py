"""Probes to keep: fitted on training people, chosen and scored on others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fabnet.encoders.saved_probe import load_probes, save_probes
from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.keep import best_probe
from fabnet.probes.tasks.labels import Classes, Units
from fabnet.probes.tasks.quantities import Values


@pytest.fixture
def benchmark() -> Benchmark:
    """300 faces of 60 people, an eighth of the rarer class; a value depends on the first feature."""
    rng = np.random.default_rng(0)
    people = np.repeat([f"p{person}" for person in range(60)], 5)
    split = np.repeat(["train"] * 40 + ["val"] * 10 + ["test"] * 10, 5)
    value = rng.normal(size=(300, 1))
    rare = (value + 0.6 * rng.normal(size=(300, 1)) > 1.3).astype(float)
    return Benchmark(
        name="made", images=[np.zeros((2, 2, 3), np.uint8)] * 300, names=[str(i) for i in range(300)], split=split,
        people=people,
        tasks=(
            Values(name="width", targets=3 * value + 20, columns=("width",)),
            Classes(name="mood", targets=rare, columns=("usual", "rare")),
            Units(name="wink", targets=rare, columns=("wink",)),
        ),
    )  # fmt: skip


def features_of(benchmark: Benchmark) -> np.ndarray:
    value = (benchmark.tasks[0].targets - 20) / 3
    return np.concatenate([value, np.random.default_rng(1).normal(size=(300, 7))], axis=1).astype(np.float32)


SEEN_PX = np.tile([0.0, 0.0, 2.0, 2.0], (300, 1))


def test_scores_are_of_validation_people_and_are_saved_in_the_file(benchmark: Benchmark, tmp_path: Path) -> None:
    probes = [best_probe(task, features_of(benchmark), benchmark, SEEN_PX, "digest") for task in benchmark.tasks]
    save_probes(probes, tmp_path / "probes.safetensors")
    read = load_probes(tmp_path / "probes.safetensors")
    for probe, again in zip(probes, read, strict=True):
        assert again.scores == probe.scores
        assert again.source == "made, 200 faces"
        (headline,) = [row for row in again.scores if row["headline"]]
        assert (headline["n"], headline["people"]) == (50, 10)
        assert headline["low"] <= headline["value"] <= headline["high"]
    (headline,) = [row for row in read[0].scores if row["headline"]]
    assert headline["value"] > 0.99


def test_test_people_have_no_influence(benchmark: Benchmark) -> None:
    task, features = benchmark.tasks[0], features_of(benchmark)
    is_test = benchmark.split == "test"
    other = replace(task, targets=np.where(is_test[:, None], 1e6, task.targets))
    first, second = (
        best_probe(each, features, replace(benchmark, tasks=(each,)), SEEN_PX, "digest") for each in (task, other)
    )
    np.testing.assert_array_equal(first.coef, second.coef)
    assert first.scores == second.scores


def test_probabilities_are_as_common_as_the_classes(benchmark: Benchmark) -> None:
    features, is_val = features_of(benchmark), benchmark.split == "val"
    _, mood, wink = (best_probe(task, features, benchmark, SEEN_PX, "digest") for task in benchmark.tasks)
    share = benchmark.tasks[1].targets[is_val].mean()
    assert mood.predict(features[is_val])[:, 1].mean() == pytest.approx(share, abs=0.06)
    assert wink.predict(features[is_val])[:, 0].mean() == pytest.approx(share, abs=0.06)


def test_a_class_absent_from_the_validation_people_has_no_figure(benchmark: Benchmark) -> None:
    mood = benchmark.tasks[1]
    usual = replace(mood, targets=np.where((benchmark.split == "val")[:, None], 0, mood.targets))
    made = replace(benchmark, tasks=(usual,))
    probe = best_probe(usual, features_of(made), made, SEEN_PX, "digest")
    (headline,) = [row for row in probe.scores if row["headline"]]
    assert headline["value"] is None


def test_folds_are_replaced_by_a_fifth_of_the_people(benchmark: Benchmark) -> None:
    folded = replace(benchmark, split=np.full(300, "train"), folds=10)
    probe = best_probe(benchmark.tasks[0], features_of(benchmark), folded, SEEN_PX, "digest")
    assert {row["people"] for row in probe.scores} < set(range(5, 25))


def test_missing_validation_people_are_reported(benchmark: Benchmark) -> None:
    alone = replace(benchmark, split=np.full(300, "test"))
    with pytest.raises(InputError, match="has no faces"):
        best_probe(benchmark.tasks[0], features_of(benchmark), alone, SEEN_PX, "digest")
