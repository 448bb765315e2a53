"""What a resumed run keeps of its checkpoint, and that all processes found the same one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fabnet.errors import TrainingError
from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.train import train
from fabnet.training.trainer import Trainer

TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16, "num_workers": 0,
}  # fmt: skip


def resumed(store: Path, run: Path) -> Trainer:
    return Trainer(open_store(store), run, preset("small").with_changes(TINY), device=torch.device("cpu"), resume=True)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are mapped")
def test_a_resumed_run_does_not_hold_the_files_of_its_checkpoint(store: Path, tmp_path: Path) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=1)
    trainer = resumed(store, tmp_path / "run")
    assert trainer.optimizer.state
    assert str(tmp_path / "run") not in Path("/proc/self/maps").read_text()


def test_processes_that_resume_different_checkpoints_stop(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=1)
    monkeypatch.setattr("fabnet.training.trainer.gather", lambda step: torch.cat([step, step + 4]))
    with pytest.raises(TrainingError, match="different checkpoints, of step 1 and of step 5"):
        resumed(store, tmp_path / "run")
