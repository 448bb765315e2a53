"""A training step does not wait for the host: its numbers are read later, and still end the run before a checkpoint."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from fabnet.errors import TrainingError
from fabnet.models.find_model import latest_checkpoint
from fabnet.objectives import occlude
from fabnet.objectives.batch import Batch
from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.run_log import read_metrics
from fabnet.training.step_results import NotFinite, StepResult, StepResults
from fabnet.training.train import train
from fabnet.training.trainer import Trainer

TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16, "num_workers": 0,
}  # fmt: skip
KINDS: list[dict[str, Any]] = [
    {"ssim": 0.85, "recolour": 0.3, "occlude": 0.3},
    {"sources": 2, "curriculum": True, "optimizer": "sgd"},
    {"sources": 2, "curriculum": True, "curriculum_forward": "twice"},
    {"both_ways": True},
    {"looks": 2},
    {"objective": "autoencoder"},
    {"objective": "rotnet"},
    {"objective": "splitbrain"},
]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class HostWaits(ExitStack):
    """Collects what a step does on a CPU that on CUDA would wait for the device: values that are read, sizes that
    depend on values, and Python's numbers that become tensors."""

    def __enter__(self) -> Self:
        self.found: list[str] = []
        self.enter_context(_Calls(self.found))
        self.enter_context(_Operations(self.found))
        return self


class _Calls(TorchFunctionMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        has_number = name == "where" and any(isinstance(each, float | int) for each in args)
        if has_number or name in ("cpu", "numpy", "tolist", "new_tensor"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        is_index = name in ("index", "index_put", "index_put_")
        is_masked = is_index and any(each is not None and each.dtype == torch.bool for each in args[1])
        if is_masked or name in ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "_unique2"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def trainer_of(store: Path, run: Path, device: str = "cpu", **changes: Any) -> Trainer:
    config = preset("small").with_changes(TINY | changes)
    return Trainer(open_store(store), run, config, device=torch.device(device))


@pytest.mark.parametrize("changes", KINDS, ids=lambda changes: " ".join(map(str, changes)))
def test_a_queued_step_reads_nothing_back(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(occlude, "_one_by_one", occlude._all_at_once)  # the first is only for a CPU
    trainer = trainer_of(store, tmp_path, **changes)
    trainer.results = StepResults(trainer.device, most_waiting=9)
    frames = [trainer.steps[step] for step in range(2)]
    with HostWaits() as waits:
        for each in frames:
            trainer.step(each)
    assert waits.found == 2 * ["_local_scalar_dense"]  # the check before the backward pass, which only a CPU makes
    assert trainer.state.losses == []
    trainer.settle()
    assert len(trainer.state.losses) == trainer.state.step == 2


def test_waits_are_noticed() -> None:
    values = torch.arange(4.0)
    with HostWaits() as waits:
        bool(values.any())
        float(values.sum())
        values[values > 1]
        values.where(values > 1, torch.nan)
        values.new_tensor([1.0])
    assert waits.found == ["_local_scalar_dense", "_local_scalar_dense", "index", "where", "new_tensor"]


def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the results of steps as late as on CUDA."""
    monkeypatch.setattr("fabnet.training.trainer.StepResults", partial(StepResults, most_waiting=4))


def test_reading_late_changes_no_result(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, Any] = TINY | {"max_steps": 13, "validate_every": 6, "warmup_steps": 2}
    train(store, tmp_path / "at_once", **changes)
    late(monkeypatch)
    train(store, tmp_path / "late", **changes)
    runs = [latest_checkpoint(tmp_path / name) for name in ("at_once", "late")]
    for file in ("model.safetensors", "optimizer.safetensors"):
        first, second = (load_file(run / file) for run in runs)
        assert all(torch.equal(first[name], second[name]) for name in first)
    rows = [[row["train_loss"] for row in read_metrics(tmp_path / name)] for name in ("at_once", "late")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_that_is_not_finite_changes_no_weight_and_is_named_when_it_is_read(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    late(monkeypatch)
    trainer = trainer_of(store, tmp_path, optimizer=optimizer)
    trainer.step(trainer.steps[0])
    before = [value.clone() for value in trainer.objective.parameters()]
    hook = next(trainer.objective.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    trainer.step(trainer.steps[1])
    hook.remove()
    assert all(map(torch.equal, before, trainer.objective.parameters()))
    trainer.step(trainer.steps[2])
    with pytest.raises(
        TrainingError, match=r"the gradient's norm became (inf|nan) at step 1 \(targets: [^;]+;[^;]+;[^;]+ frame \d+\);"
    ):
        trainer.settle()


def test_such_a_run_ends_before_a_checkpoint(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late(monkeypatch)
    losses_of = Trainer._losses

    def spoilt(self: Trainer, batch: Batch) -> torch.Tensor:
        losses = losses_of(self, batch)
        if losses.requires_grad and self.state.step == 7:
            losses.register_hook(lambda gradient: gradient * torch.inf)
        return losses

    monkeypatch.setattr(Trainer, "_losses", spoilt)
    with pytest.raises(TrainingError, match=r"the gradient's norm became (inf|nan) at step 7 "):
        train(store, tmp_path / "run", **TINY, max_steps=20, validate_every=3)  # the ninth step ends with a checkpoint
    assert latest_checkpoint(tmp_path / "run").name == "step-00000006"


def test_a_result_names_the_samples_that_are_not_finite() -> None:
    forwarded, chosen, norm = torch.tensor([1, 4, 6]), torch.tensor([0, 2]), torch.tensor(2.0)
    good = StepResult(0, torch.tensor([1.0, 2.0, 4.0]), forwarded, chosen, norm)
    assert (good.read(), float(good.is_bad)) == (2.5, 0)
    bad = StepResult(1, torch.tensor([1.0, torch.nan, 4.0]), forwarded, chosen, norm)
    assert float(bad.is_bad) == 1
    found = bad.read()
    assert isinstance(found, NotFinite)
    assert (found.what, found.samples.tolist()) == ("the loss became nan", [4])
    found = StepResult(2, torch.ones(3), forwarded, chosen, torch.tensor(torch.inf)).read()
    assert isinstance(found, NotFinite)
    assert (found.what, found.samples.tolist()) == ("the gradient's norm became inf", [1, 6])


@needs_cuda
@pytest.mark.gpu
@pytest.mark.parametrize("changes", KINDS, ids=lambda changes: " ".join(map(str, changes)))
def test_a_step_on_cuda_waits_for_nothing(store: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    trainer = trainer_of(store, tmp_path, "cuda:0", **changes)
    frames = [trainer.steps[step].pin_memory() for step in range(4)]
    trainer.step(frames[0])  # the first step may set up libraries
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for each in frames[1:]:
            trainer.step(each)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    trainer.settle()
    assert len(trainer.state.losses) == 4


@needs_cuda
@pytest.mark.gpu
def test_on_cuda_a_step_that_is_not_finite_changes_no_weight(store: Path, tmp_path: Path) -> None:
    trainer = trainer_of(store, tmp_path, "cuda:0")
    before = [value.clone() for value in trainer.objective.parameters()]
    next(trainer.objective.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    trainer.step(trainer.steps[0])
    assert all(map(torch.equal, before, trainer.objective.parameters()))
    with pytest.raises(TrainingError, match=r"the gradient's norm became .* at step 0"):
        trainer.settle()
