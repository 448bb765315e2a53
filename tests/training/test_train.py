"""Training on a real store: it learns, stops, resumes bit for bit, and fails in clear words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fabnet.errors import InputError, ModelError, StoreError, TrainingError
from fabnet.training import train
from fabnet.training.checkpoint import best_checkpoint, latest_checkpoint, list_checkpoints
from fabnet.training.run_log import read_metrics

TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16, "num_workers": 0,
    "warmup_steps": 2,
}  # fmt: skip


def weights(run: Path) -> dict[str, torch.Tensor]:
    found = load_file(latest_checkpoint(run) / "model.safetensors")
    return found | load_file(latest_checkpoint(run) / "optimizer.safetensors")


def assert_same(first: Path, second: Path) -> None:
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", "schedule": "plateau", "plateau_patience": 0}])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(
    store: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    every: dict[str, Any] = {"validate_every": 4, "max_steps": 12, "keep_checkpoints": 9}
    train(store, tmp_path / "whole", **TINY, **every, **changes)
    train(store, tmp_path / "parts", **TINY, **every, **changes)
    for checkpoint in list_checkpoints(tmp_path / "parts")[1:]:
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()
    assert latest_checkpoint(tmp_path / "parts").name == "step-00000004"
    train(store, tmp_path / "parts", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    steps = [row["step"] for row in read_metrics(tmp_path / "parts")]
    assert steps == [row["step"] for row in read_metrics(tmp_path / "whole")] == [4, 8, 12]


def test_a_killed_run_goes_on_bit_for_bit(store: Path, tmp_path: Path) -> None:
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in (TINY | {"num_workers": 1}).items()]
    command = [sys.executable, "-m", "fabnet", "train", str(store), "--max-steps=400", "--validate-every=20", *flags]
    run = tmp_path / "stopped"
    process = subprocess.Popen([*command, f"--out={run}"], stderr=subprocess.PIPE, env=os.environ | {"LANG": "C"})
    deadline = time.monotonic() + 120
    while not list_checkpoints(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr.decode()
    assert "--resume goes on from there" in stderr.decode().splitlines()[-1]
    assert 0 < int(latest_checkpoint(run).name[5:]) < 400
    train(store, run, resume=True)
    train(store, tmp_path / "whole", **TINY, max_steps=400, validate_every=20)
    assert_same(tmp_path / "whole", run)


def test_what_a_run_says(store: Path, tmp_path: Path) -> None:
    result = train(store, tmp_path / "run", **TINY, max_steps=20, validate_every=10).to_json()
    assert (result["steps"], result["pairs_seen"], result["frames_encoded"]) == (20, 160, 320)
    assert result["pairs_per_s"] > 0
    assert 0 < result["val_loss"] < 1
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["size"] == 16
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    saved = list_checkpoints(tmp_path / "run")
    losses = {path: json.loads((path / "state.json").read_text())["val_loss"] for path in saved}
    assert best_checkpoint(tmp_path / "run") == min(losses, key=lambda path: float(losses[path]))


def test_a_time_budget_becomes_a_number_of_steps(store: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    result = train(store, tmp_path / "run", **TINY, max_minutes=0.1, validate_every=100_000)
    assert time.monotonic() - began < 30
    state = json.loads((result.model / "state.json").read_text())
    assert state["total_steps"] == result.steps > 10


def test_a_loss_that_is_not_finite_stops_before_the_step(store: Path, tmp_path: Path) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=4)
    file = latest_checkpoint(tmp_path / "run") / "model.safetensors"
    poisoned = load_file(file)
    poisoned["encoder.layers.0.weight"][:] = float("nan")
    save_file(poisoned, file)
    with pytest.raises(TrainingError, match="the loss became nan at step 4"):
        train(store, tmp_path / "run", resume=True, max_steps=8)
    assert latest_checkpoint(tmp_path / "run").name == "step-00000004"


def test_wrong_input_is_said(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        train(tmp_path / "none", tmp_path / "run", **TINY)
    with pytest.raises(ModelError, match="is no run"):
        train(store, tmp_path / "run", resume=True)
    train(store, tmp_path / "run", **TINY, max_steps=1)
    with pytest.raises(InputError, match="holds a run already"):
        train(store, tmp_path / "run", **TINY)
    with pytest.raises(InputError, match="keeps its own size"):
        train(store, tmp_path / "run", resume=True, size=32)
    (latest_checkpoint(tmp_path / "run") / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be loaded"):
        train(store, tmp_path / "run", resume=True)
