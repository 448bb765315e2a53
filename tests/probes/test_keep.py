"""Probes to keep: fitted on training and validation people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fabnet.encoders.saved_probe import SavedProbe, load_probes, save_probes
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.keep import last_probe
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


def kept(benchmark: Benchmark, place: int, features: np.ndarray | None = None) -> SavedProbe:
    made = features_of(benchmark) if features is None else features
    return last_probe("ridge", benchmark.tasks[place], made, benchmark, SEEN_PX, "digest")


def test_a_probe_comes_back_from_its_file(benchmark: Benchmark, tmp_path: Path) -> None:
    probes = [kept(benchmark, place) for place in range(3)]
    save_probes(probes, tmp_path / "probes.safetensors")
    for probe, again in zip(probes, load_probes(tmp_path / "probes.safetensors"), strict=True):
        assert again.source == "made, 250 faces"
        np.testing.assert_array_equal(again.coef, probe.coef.astype(np.float32))
    is_test = benchmark.split == "test"
    predicted = probes[0].predict(features_of(benchmark)[is_test])[:, 0]
    assert np.corrcoef(predicted, benchmark.tasks[0].targets[is_test, 0])[0, 1] > 0.99


def test_test_people_have_no_influence(benchmark: Benchmark) -> None:
    task, features = benchmark.tasks[0], features_of(benchmark)
    is_test = benchmark.split == "test"
    other = replace(task, targets=np.where(is_test[:, None], 1e6, task.targets))
    first, second = (kept(replace(benchmark, tasks=(each,)), 0, features) for each in (task, other))
    np.testing.assert_array_equal(first.coef, second.coef)


def test_probabilities_are_as_common_as_the_classes(benchmark: Benchmark) -> None:
    features, is_val = features_of(benchmark), benchmark.split == "val"
    mood, wink = kept(benchmark, 1), kept(benchmark, 2)
    share = benchmark.tasks[1].targets[is_val].mean()
    assert mood.predict(features[is_val])[:, 1].mean() == pytest.approx(share, abs=0.06)
    assert wink.predict(features[is_val])[:, 0].mean() == pytest.approx(share, abs=0.06)
