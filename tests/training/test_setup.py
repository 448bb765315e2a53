"""How a run uses its machine: workers, compilation, shares of a batch, and what is written down of it."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from fabnet.errors import InputError, TrainingError
from fabnet.models.find_model import latest_checkpoint, list_checkpoints
from fabnet.objectives.batch import Batch
from fabnet.runtime.cores import num_cores
from fabnet.training.advice import share_notes
from fabnet.training.config import preset
from fabnet.training.initial import fresh_objective
from fabnet.training.processes import Processes, _is_lost, processes
from fabnet.training.setup import choose_compile, choose_num_workers, compile_errors, compiled, setup_of
from fabnet.training.stopping import InterruptedRunError
from fabnet.training.train import read_run, train

TINY: dict[str, Any] = {"size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(
    ("device", "cores", "processes", "expected"),
    [
        ("cpu", 1, 1, 1), ("cpu", 2, 1, 1), ("cpu", 10, 1, 1), ("cpu", 11, 1, 2), ("cpu", 64, 1, 7), ("cpu", 64, 8, 1),
        ("cpu", 2, 4, 1), ("cpu", 1000, 1, 16),
        ("cuda", 1, 1, 1), ("cuda", 2, 1, 1), ("cuda", 4, 1, 3), ("cuda", 17, 1, 16), ("cuda", 64, 1, 16),
        ("cuda", 64, 8, 7), ("cuda", 10, 8, 1), ("cuda", 8, 8, 1), ("cuda", 4, 8, 1),
    ],
)  # fmt: skip
def test_workers_follow_cores_and_device(device: str, cores: int, processes: int, expected: int) -> None:
    assert choose_num_workers(device, cores=cores, processes=processes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True), ({"device": "cpu"}, False), ({"processes": 2}, False), ({"has_triton": False}, False),
        ({"capability": (6, 1)}, False), ({"capability": (7, 0)}, True), ({"capability": (10, 0)}, True),
        ({"choice": "off"}, False), ({"choice": "on", "device": "cpu", "has_triton": False}, True),
    ],
)  # fmt: skip
def test_what_is_compiled(changes: dict[str, Any], expected: bool) -> None:
    given: dict[str, Any] = {"processes": 1, "has_triton": True, "capability": (8, 0)}
    given |= {"choice": "auto", "device": "cuda"} | changes
    assert choose_compile(**given) is expected


def test_a_batch_spread_thinly_over_gpus_is_said() -> None:
    (said,) = share_notes(8, "cuda", processes=8)
    assert "8 GPUs share a batch of 8, 1 for each" in said
    assert "start one process" in said
    assert "--batch-size 64" in said
    (said,) = share_notes(32, "cuda", processes=8)
    assert "4 for each" in said
    assert "start 4 processes" in said
    for batch_size, device, count in ((8, "cuda", 1), (8, "cpu", 8), (64, "cuda", 8), (16, "cuda", 2)):
        assert share_notes(batch_size, device, processes=count) == []


def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "4")):
        monkeypatch.setenv(name, value)
    with processes(torch.device("cpu")) as me:
        assert me.local_world_size == 4
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    with processes(torch.device("cpu")) as me:
        assert me.local_world_size == 1
    monkeypatch.setattr("fabnet.training.setup.num_cores", lambda: 64)
    config = preset("small")
    assert setup_of(config, torch.device("cpu"), Processes(local_world_size=1)).num_workers == 7
    assert setup_of(config, torch.device("cpu"), Processes(local_world_size=4)).num_workers == 2
    assert setup_of(config.with_changes({"num_workers": 0}), torch.device("cpu"), Processes()).num_workers == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.distributed.DistBackendError("unknown"),
        torch.distributed.DistNetworkError("reset"),
        RuntimeError("[gloo] Read error: Connection closed by peer"),
        RuntimeError("NCCL communicator was aborted"),
    ],
)
def test_another_process_that_is_gone_is_recognised(error: Exception) -> None:
    assert _is_lost(error)
    assert not _is_lost(RuntimeError("mine"))


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """This process is the second of two, and what it does with torch's processes is only written down."""
    before = signal.getsignal(signal.SIGTERM)  # a process that failed ignores it from then on
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    done: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "init_process_group", lambda *given, **named: done.append("joined"))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: done.append("left"))
    yield done
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("device", "error", "is_left"),
    [
        ("cuda:1", None, True), ("cuda:1", InterruptedRunError(), True), ("cuda:1", ValueError(), False),
        ("cuda:1", KeyboardInterrupt(), False), ("cpu", ValueError(), True),
    ],
)  # fmt: skip
def test_a_process_that_failed_on_cuda_does_not_wait_for_the_others(
    second_of_two: list[str], device: str, error: BaseException | None, is_left: bool
) -> None:
    raised = pytest.raises(type(error)) if error else nullcontext()
    with raised, processes(torch.device(device)):
        if error:
            raise error
    assert second_of_two == ["joined", *["left"] * is_left]


def test_the_cause_of_a_lost_process_is_named(second_of_two: list[str]) -> None:
    with pytest.raises(TrainingError, match=r"--resume \(NCCL error: unhandled\)$"), processes(torch.device("cuda:1")):
        raise dist.DistBackendError("NCCL error: unhandled\nsecond line")


def test_processes_that_cannot_use_their_gpus_are_refused(
    second_of_two: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"^2 processes .* cannot share cuda:0: give --device cuda"):
        processes(torch.device("cuda:0")).__enter__()
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)
    with pytest.raises(InputError, match="need NCCL"):
        processes(torch.device("cuda:1")).__enter__()
    assert second_of_two == []


def test_a_run_records_what_was_chosen_and_chooses_again_when_resumed(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(store, run, **TINY, max_steps=1, precision="float32")
    chosen = {"device": "cpu", "precision": "float32", "num_workers": choose_num_workers("cpu", cores=num_cores())}
    assert json.loads((run / "config.json").read_text())["setup"] == chosen | {"compile": False, "processes": 1}
    assert read_run(run)[0].num_workers is None
    train(store, run, resume=True, max_steps=2, num_workers=0)
    assert json.loads((run / "config.json").read_text())["setup"]["num_workers"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"ssim": 0.85, "recolour": 0.3, "occlude": 0.3},
        {"sources": 2},
        *(
            pytest.param(changes, marks=pytest.mark.slow)
            for changes in (
                {"both_ways": True},
                {"looks": 2},
                {"objective": "autoencoder"},
                {"objective": "rotnet"},
                {"objective": "splitbrain"},
            )
        ),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by torch itself
def test_a_network_is_one_graph_with_the_same_weights_and_gives_the_same(changes: dict[str, Any]) -> None:
    torch._dynamo.reset()
    config = preset("small").with_changes(TINY | changes)
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (8, config.sources + 1, *2 * (config.input_size,), 3), generator=generator)
    views = torch.rand(8, config.sources + 1, 13, generator=generator).numpy() if config.recolour else None
    if views is not None:
        views[..., 5:7] *= 0.4  # left and top of the frame
        views[..., 7:9] = 1 - 0.4 * views[..., 7:9]
    batch = Batch.from_frames(frames.to(torch.uint8), torch.device("cpu"), views)
    made = []
    for is_compiled in (False, True):
        network = fresh_objective(config).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        names = list(network.state_dict())
        if is_compiled:
            compiled(network, backend="aot_eager", fullgraph=True)
        losses = network(batch)
        losses.mean().backward()
        assert list(network.state_dict()) == names
        made.append((losses.detach(), [each.grad for each in network.parameters()]))
    (plain, gradients), (compiled_losses, compiled_gradients) = made
    torch.testing.assert_close(compiled_losses, plain, rtol=1e-5, atol=1e-6)
    for gradient, other in zip(gradients, compiled_gradients, strict=True):
        assert gradient is not None
        assert other is not None
        torch.testing.assert_close(other, gradient, rtol=1e-3, atol=1e-6)


def test_a_compiler_that_fails_is_one_line(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> Any:
        raise RuntimeError("no compiler here\nand a second line")

    monkeypatch.setattr("fabnet.training.trainer.compiled", lambda network: compiled(network, backend=broken))
    with pytest.raises(TrainingError, match=r"torch.compile failed here \(.*\): run again with --compile off"):
        train(store, tmp_path / "run", **TINY, max_steps=2, num_workers=0, compile="on")
    with pytest.raises(RuntimeError, match="another"), compile_errors():
        raise RuntimeError("another")


@pytest.mark.slow
def test_a_compiled_run_equals_one_that_is_not(store: Path, tmp_path: Path) -> None:
    losses, weights = [], []
    for choice in ("off", "on"):
        run = tmp_path / choice
        changes: dict[str, Any] = TINY | {"precision": "float32", "num_workers": 0, "compile": choice}
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # the compiler's own
            try:
                losses.append(train(store, run, **changes, max_steps=6, validate_every=3).val_loss)
            except TrainingError as error:
                pytest.skip(str(error))
        assert json.loads((run / "config.json").read_text())["setup"]["compile"] is (choice == "on")
        weights.append(load_file(latest_checkpoint(run) / "model.safetensors"))
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert list(weights[0]) == list(weights[1])
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-4)


@needs_cuda
@pytest.mark.gpu
def test_on_cuda_a_run_is_compiled_and_equals_one_that_is_not(store: Path, tmp_path: Path) -> None:
    losses = []
    for choice in ("off", "auto"):
        changes: dict[str, Any] = TINY | {"precision": "float32", "num_workers": 0, "compile": choice}
        losses.append(train(store, tmp_path / choice, device="cuda", **changes, max_steps=6, validate_every=3).val_loss)
    chosen = json.loads((tmp_path / "auto" / "config.json").read_text())["setup"]
    assert chosen["device"] == "cuda"
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


# torch reports the death by an exception in whatever the main thread does: now and then a socket stays open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_the_death_of_a_worker_process_is_reported(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def kill() -> None:
        while not list_checkpoints(run):
            time.sleep(0.05)
        for child in multiprocessing.active_children():
            child.kill()

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(TrainingError, match=r"worker died \(.*--resume"):
        train(store, run, **TINY | {"num_workers": 1}, max_steps=100_000, validate_every=5)
    assert list_checkpoints(run)
