"""Features that are read in batches: the same results as at once, without copies of the whole."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fabnet.probes import matrix
from fabnet.probes.evaluate import fit_chosen
from fabnet.probes.linear import LinearProbe, LogisticProbe, Probe, RidgeProbe, SoftmaxProbe
from fabnet.probes.matrix import Selected, batches, moments
from fabnet.probes.tasks.labels import Classes
from fabnet.probes.tasks.losses import SquaredError
from fabnet.probes.tasks.task import Task

FITS: dict[str, Callable[[matrix.Matrix, np.ndarray], Probe]] = {
    "paper": lambda features, values: LinearProbe(SquaredError(), epochs=2).fit(features, values),
    "ridge": lambda features, values: RidgeProbe(0.01).fit(features, values),
    "ridge with gaps": lambda features, values: RidgeProbe(0.01).fit(
        features, np.where(np.arange(len(values))[:, None] % 5 == [0, 1, 2], np.nan, values)
    ),
    "classes": lambda features, values: SoftmaxProbe(3).fit(features, values.argmax(axis=1)[:, None]),
    "units": lambda features, values: LogisticProbe().fit(features, np.where(values < -1, np.nan, values > 0)),
}


def written(folder: Path, num_rows: int, num_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features in a mapped file, and values that depend on them."""
    features = np.random.default_rng(0).normal(2, 3, (num_rows, num_features)).astype(np.float32)
    np.save(folder / "features.npy", features)
    return np.load(folder / "features.npy", mmap_mode="r"), (features[:, :3] - 2).astype(np.float64)


def test_a_selection_of_a_selection_reads_the_same_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 2, 3))
    places = np.random.default_rng(1).permutation(50)[:30]
    chosen = np.arange(30) % 3 == 0
    part = Selected(Selected(rows, places), chosen)
    assert (len(part), part.shape, part.dtype) == (10, (10, 2, 3), rows.dtype)
    np.testing.assert_array_equal(part[:], rows[places][chosen])
    np.testing.assert_array_equal(part[np.array([3, 3, 0])], rows[places][chosen][[3, 3, 0]])


def test_batches_are_copies_of_all_rows_and_moments_are_those_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "BATCH_BYTES", 7 * 8 * 4)
    rows = np.random.default_rng(0).normal(1e3, 1, (30, 4)).astype(np.float32)
    parts = list(batches(rows))
    assert [part for part, _ in parts][-1] == slice(28, 30)
    parts[0][1][:] = 0
    np.testing.assert_array_equal(np.concatenate([part for _, part in batches(rows)]), rows)
    mean, variance = moments(rows)
    np.testing.assert_allclose(mean, rows.astype(np.float64).mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance, rows.astype(np.float64).var(axis=0), rtol=1e-12)


@pytest.mark.parametrize("fit", FITS)
def test_a_probe_does_not_depend_on_the_batches(fit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, values = written(tmp_path, 400, 12)
    whole = FITS[fit](np.array(features), values)
    expected = whole.predict(np.array(features))
    monkeypatch.setattr(matrix, "BATCH_BYTES", 50 * 8 * 12)
    probe = FITS[fit](features, values)
    np.testing.assert_allclose(probe.predict(features), expected, atol=1e-6)


@pytest.mark.parametrize("fit", FITS)
def test_a_fit_takes_a_fraction_of_the_features(fit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, values = written(tmp_path, 20_000, 128)
    monkeypatch.setattr(matrix, "BATCH_BYTES", 2**19)
    FITS[fit](features[:100], values[:100])  # imports
    tracemalloc.start()
    try:
        FITS[fit](features, values).predict(features[:100])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * features.nbytes


@pytest.mark.parametrize("name", ["paper", "ridge"])
def test_choosing_a_probe_copies_no_features(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, values = written(tmp_path, 10_000, 128)
    monkeypatch.setattr(matrix, "BATCH_BYTES", 2**19)
    defaults = LinearProbe.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "epochs", 1)
    task: Task = Classes(name="x", targets=values.argmax(axis=1)[:, None].astype(float), columns=("a", "b", "c"))
    is_select = np.arange(len(values)) % 5 == 0
    fit_chosen(name, task, features[:200], task.targets[:200], is_select=is_select[:200])  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        fit_chosen(name, task, features, task.targets, is_select=is_select)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.6 * features.nbytes
