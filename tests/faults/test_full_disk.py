"""The disk fills up during a command: one line, nothing half-written, and the former output is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import lance
import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import OutputError
from fabnet.files.lance import lance_reads, lance_writes, merge_files
from fabnet.models.find_model import latest_checkpoint
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import open_store

from .commands import repeated, started


def fill(disk: Path, left_kb: int) -> Path:
    """Fill the disk with a file except for some bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - left_kb * 1024))
    return filler


@pytest.mark.parametrize("ending", ["lance", "parquet", "csv", "npy"])
def test_embed(
    store: Path, tiny_run: Path, small_disk: Path, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / f"faces.{ending}"
    fabnet.embed([store], out, model=tiny_run)
    before = sorted(path.name for path in small_disk.iterdir())
    fill(small_disk, left_kb=8)
    command = ["embed", str(repeated(store, tmp_path, 40)), f"--model={tiny_run}", f"--out={out}"]
    capsys.readouterr()
    if ending == "lance":  # one format by a process of its own
        process = started(*command)
        _, errors = process.communicate(timeout=120)
        code = process.returncode
    else:
        code, errors = main(command), capsys.readouterr().err
    assert code == 8, errors
    assert errors.startswith("fabnet embed: cannot write")
    assert "the disk is full: free some space and run the same command again" in errors
    assert len(errors.splitlines()) == 1
    assert sorted(path.name for path in small_disk.iterdir()) == sorted([*before, "filler"])
    if ending == "lance":
        assert lance.dataset(str(out)).count_rows() == 60  # the former output is still whole
    if ending == "npy":
        assert np.load(out, allow_pickle=False).shape == (60, 16)


def test_train(store: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    changes = {"size": 16, "width": 8, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 8, "num_workers": 0}
    fabnet.train(store, run, max_steps=2, validate_every=2, **changes)  # type: ignore[arg-type]
    filler = fill(small_disk, left_kb=24)
    with pytest.raises(OutputError, match="the disk is full"):
        fabnet.train(store, run, resume=True, max_steps=6)
    assert latest_checkpoint(run).name == "step-00000002"
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002"]
    filler.unlink()
    assert fabnet.train(store, run, resume=True, max_steps=6).steps == 6


def test_a_failed_merge_is_not_reported_as_damage(store: Path, small_disk: Path) -> None:
    own = Path(shutil.copytree(store, small_disk / "own.lance"))
    image = open_store(own).read_images([0])[0]
    for number in range(4):  # fragments to merge
        row = Row("more", f"{number}", "0", 0, None, "x", "train", image)
        open_store(own).append([rows_to_batch([row])], [LedgerEntry(f"{number}", "x", "ok", tracks=1, rows=1)])
    filler = fill(small_disk, left_kb=0)
    with pytest.raises(OutputError, match="the disk is full"), lance_writes(own), lance_reads(str(own)):
        merge_files(own)
    filler.unlink()
    assert fabnet.compact(own).rows == 64
    assert fabnet.verify(own).problem is None
