"""The cache of features, which may be larger than memory, and the digests of files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fabnet.encoders.digest import model_digest
from fabnet.files.limits import read_bytes
from fabnet.models.find_model import find_model
from fabnet.probes import digests
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.digests import Digests
from fabnet.probes.options import ProbeOptions
from fabnet.probes.scorers import LinearScorer, choose_scorer
from fabnet.probes.tasks.quantities import Values
from tests.encoders.checkpoints import loading_while_training


def parts() -> Iterator[np.ndarray]:
    yield np.arange(6, dtype=np.float32).reshape(3, 2)
    yield np.arange(6, 10, dtype=np.float32).reshape(2, 2)


EXPECTED = np.arange(10, dtype=np.float32).reshape(5, 2)


def refuse() -> Iterator[np.ndarray]:
    raise AssertionError("computed again")


def test_a_matrix_is_written_in_parts_and_mapped(tmp_path: Path) -> None:
    for make in (parts, refuse):
        found = Cache(tmp_path).matrix("features", ["key"], 5, make)
        np.testing.assert_array_equal(found, EXPECTED)
        assert isinstance(found.base, np.memmap)
        assert not found.flags.writeable
    np.testing.assert_array_equal(Cache(None).matrix("features", ["key"], 5, parts), EXPECTED)
    assert len(list(tmp_path.glob("features-*.npy"))) == 1


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_a_truncated_matrix_is_computed_again(keep: int, tmp_path: Path) -> None:
    Cache(tmp_path).matrix("features", ["key"], 5, parts)
    (file,) = tmp_path.glob("features-*.npy")
    file.write_bytes(file.read_bytes()[:keep])
    np.testing.assert_array_equal(Cache(tmp_path).matrix("features", ["key"], 5, parts), EXPECTED)


def test_an_error_leaves_no_half_written_matrix(tmp_path: Path) -> None:
    def stopped() -> Iterator[np.ndarray]:
        yield from parts()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).matrix("features", ["key"], 5, stopped)
    assert not list(tmp_path.glob("*features*"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files that have settled."""
    made = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for file in made:
        file.write_bytes(file.name.encode())
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []

    def counted(file: Path) -> bytes:
        names.append(file.name)
        return read_bytes(file)

    monkeypatch.setattr(digests, "read_bytes", counted)
    return names


def test_a_file_is_read_once_until_it_changes(files: list[Path], read: list[str], tmp_path: Path) -> None:
    time.sleep(digests.SETTLED_NS / 1e9 + 0.1)
    kept = tmp_path / "cache" / "digests.sqlite"
    first = list(Digests(kept).of(files))
    assert list(Digests(kept).of([*files, files[0]])) == [*first, first[0]]
    assert read == ["a.jpg", "b.jpg"]
    assert list(Digests(None).of(files)) == first
    del read[:]

    before = files[0].stat()
    files[0].write_bytes(b"A.jpg")
    changed = list(Digests(kept).of(files))
    assert (changed[0] != first[0], changed[1], read) == (True, first[1], ["a.jpg"])
    if sys.platform != "win32":  # a change that hides its time still changes the inode's
        files[1].write_bytes(b"B.jpg")
        os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
        assert list(Digests(kept).of(files))[1] != first[1]


def test_a_digest_of_a_fresh_file_is_not_kept(files: list[Path], read: list[str], tmp_path: Path) -> None:
    """It could change again without a change of its times."""
    for _ in range(2):
        list(Digests(tmp_path / "digests.sqlite").of(files))
    assert read == ["a.jpg", "b.jpg"] * 2


def test_a_corrupt_or_locked_database_does_no_harm(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**12))
    expected, kept = list(Digests(None).of(files)), tmp_path / "digests.sqlite"
    kept.write_bytes(b"not a database" * 100)
    assert list(Digests(kept).of(files)) == expected
    assert list(Digests(kept).of(files)) == expected
    monkeypatch.setattr(digests, "WAIT_S", 0.05)
    other = sqlite3.connect(kept, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert list(Digests(kept).of(files)) == expected
    other.close()


def test_features_have_the_name_of_the_checkpoint_that_made_them(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    loaded = find_model(run)
    monkeypatch.setattr("fabnet.probes.scorers.load", loading_while_training(run))
    faces = Benchmark(
        name="made", images=[np.zeros((2, 2, 3), np.uint8)], names=["0"], split=np.array(["val"]),
        people=np.array(["ann"]), tasks=(Values(name="width", targets=np.zeros((1, 1)), columns=("width",)),),
    )  # fmt: skip
    scorer = choose_scorer(run, "made", faces, ProbeOptions(), Cache(None))
    assert isinstance(scorer, LinearScorer)
    assert scorer.digest == model_digest(loaded)
