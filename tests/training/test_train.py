"""Training on a real store: it learns, stops, resumes bit for bit, and fails with clear messages."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fabnet.cli import main
from fabnet.errors import InputError, ModelError, OutputError, StoreError, TrainingError
from fabnet.faces.crop import VOXCELEB, CropSpec
from fabnet.ingest.import_folder import import_folder
from fabnet.models.find_model import best_checkpoint, latest_checkpoint, list_checkpoints
from fabnet.models.model_folder import read_card
from fabnet.objectives.batch import Batch
from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.initial import still_statistics
from fabnet.training.run_log import RunLog, read_metrics
from fabnet.training.train import train
from fabnet.training.trainer import Trainer

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


def test_images_that_are_decoded_once_change_nothing(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    constant = {**TINY, "schedule": "plateau"}
    train(store, tmp_path / "kept", **constant, max_steps=6)
    assert "each image is decoded once" in capsys.readouterr().err
    assert not (tmp_path / "kept" / "_frames").exists()
    train(store, tmp_path / "anew", **constant, max_steps=4)
    train(store, tmp_path / "anew", resume=True, max_steps=6, decoded_gb=0)
    assert_same(tmp_path / "kept", tmp_path / "anew")


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


def test_resuming_an_end_between_two_rounds_equals_one_run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabnet.training.trainer.LOG_EVERY", 5)
    ends = (6, 10, 13)
    changes: dict[str, Any] = TINY | {
        "validate_every": 4, "keep_checkpoints": 3, "schedule": "plateau", "plateau_patience": 0, "plateau_drops": 99,
        "learning_rate": 0.003,
    }  # fmt: skip
    train(store, tmp_path / "whole", **changes, max_steps=ends[-1])
    for number, end in enumerate(ends):
        more = {"resume": True, "max_steps": end} if number else changes | {"max_steps": end}
        result = train(store, tmp_path / "parts", **more)
        assert result.val_loss == read_metrics(tmp_path / "parts")[-1]["val_loss"]  # measured at the last step
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert_same(whole, parts)
    assert [each.name for each in list_checkpoints(whole)] == [each.name for each in list_checkpoints(parts)]
    assert best_checkpoint(whole).name == best_checkpoint(parts).name
    of_the_clock = ("pairs_per_s", "elapsed_s")
    lines = [csv.DictReader((run / "metrics.csv").read_text().splitlines()) for run in (whole, parts)]
    first, second = [[{k: row[k] for k in row if k not in of_the_clock} for row in rows] for rows in lines]
    assert first == second
    states = [json.loads((latest_checkpoint(run) / "state.json").read_text()) for run in (whole, parts)]
    assert states[0] | {"elapsed_s": 0} == states[1] | {"elapsed_s": 0}


def test_a_run_resumes_only_on_its_own_store(store: Path, frames_folder: Path, tmp_path: Path) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=2)
    shutil.copytree(store, tmp_path / "moved")
    train(tmp_path / "moved", tmp_path / "run", resume=True, max_steps=3)
    splits = tmp_path / "splits.csv"  # moves a validation person to training
    parts = [f"person{n},{'val' if n in (3, 4) else 'train'}\n" for n in range(6)]
    splits.write_text("identity,split\n" + "".join(parts))
    import_folder(frames_folder, tmp_path / "other", layout="identity/video", splits=splits)
    with pytest.raises(InputError, match=r"other has other tracks than .*moved, which .*run was started on; give the"):
        train(tmp_path / "other", tmp_path / "run", resume=True, max_steps=4)
    file = tmp_path / "run" / "config.json"
    content = json.loads(file.read_text())
    del content["store_digest"]  # as in runs of early versions
    file.write_text(json.dumps(content))
    train(tmp_path / "moved", tmp_path / "run", resume=True, max_steps=4)


@pytest.fixture(scope="module")
def undisturbed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 200 steps."""
    run = tmp_path_factory.mktemp("undisturbed") / "whole"
    train(store, run, **TINY, max_steps=200, validate_every=20)
    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_killed_run_resumes_bit_for_bit(
    store: Path, undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in (TINY | {"num_workers": 1}).items()]
    command = [sys.executable, "-m", "fabnet", "train", str(store), "--max-steps=200", "--validate-every=20", *flags]
    run = tmp_path / "stopped"
    process = subprocess.Popen(
        [*command, f"--out={run}"], stderr=subprocess.PIPE, env=os.environ | {"LANG": "C"}, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list_checkpoints(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, number)  # to its worker too, like Ctrl-C in a terminal and torchrun
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr.decode()
    assert "--resume continues from there" in stderr.decode().splitlines()[-1]
    assert 0 < int(latest_checkpoint(run).name[5:]) < 200
    train(store, run, resume=True)
    assert_same(undisturbed, run)


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(store: Path, tmp_path: Path) -> None:
    changes = TINY | {
        "sources": 3,
        "curriculum": True,
        "curriculum_patience": 0,
        "max_steps": 300,
        "validate_every": 10,
    }
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in changes.items() if name != "curriculum"]
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "fabnet", "train", str(store), "--curriculum", *flags, f"--out={run}"]
    generator = np.random.default_rng(0)
    reached = [0]
    for goal in (60, 130, 220):
        resume = ["--resume"] if reached[-1] else []
        process = subprocess.Popen([*command, *resume], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while not (found := list_checkpoints(run)) or int(found[-1].name[5:]) < goal:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.3))
        process.kill()
        process.communicate()
        reached.append(int(latest_checkpoint(run).name[5:]))
    assert 0 < reached[1] < reached[2] < reached[3] < 300
    train(store, run, resume=True)
    train(store, tmp_path / "whole", **changes)
    assert_same(tmp_path / "whole", run)
    states = [json.loads((latest_checkpoint(each) / "state.json").read_text()) for each in (run, tmp_path / "whole")]
    assert states[0]["curriculum"] == states[1]["curriculum"]
    assert states[0]["curriculum"]["shifts"] > 0


def test_fine_tuning_keeps_the_flow_decoder_unchanged(store: Path, tmp_path: Path) -> None:
    train(store, tmp_path / "single", **TINY, max_steps=6)
    tuned = train(store, tmp_path / "tuned", **TINY, max_steps=6, init=str(tmp_path / "single"), sources=2)
    before, after = (
        load_file(latest_checkpoint(tmp_path / name) / "model.safetensors") for name in ("single", "tuned")
    )
    # Weights and batch-norm statistics.
    assert all(torch.equal(after[name], value) for name, value in before.items() if name.startswith("flow_decoder"))
    assert any(not torch.equal(after[name], value) for name, value in before.items() if name.startswith("encoder"))
    assert any(name.startswith("confidence_decoder") for name in after)
    assert json.loads((tmp_path / "tuned" / "config.json").read_text())["config"]["freeze"] == ["flow_decoder"]
    assert (tuned.pairs_seen, tuned.frames_encoded) == (6 * 8 * 2, 6 * 8 * 3)
    train(store, tmp_path / "tuned", resume=True, max_steps=8)
    with pytest.raises(InputError, match=r"its encoder.layers.0.weight is \(4, 3, 4, 4\), this run needs \(8,"):
        train(store, tmp_path / "wider", **TINY | {"width": 8}, max_steps=1, init=str(tmp_path / "single"))
    with pytest.raises(InputError, match="no part 'flow'"):
        train(store, tmp_path / "f", **TINY, max_steps=1, init=str(tmp_path / "single"), freeze=("flow",))


@pytest.mark.parametrize("forward", ["once", "twice"])
def test_only_the_selected_samples_are_learned_from(store: Path, tmp_path: Path, forward: str) -> None:
    trainer = make_trainer(store, tmp_path, curriculum=True, curriculum_forward=forward, optimizer="sgd")
    frames = trainer.steps[0]
    copy = deepcopy(trainer.objective)
    batch = Batch.from_frames(frames, torch.device("cpu"))
    with torch.no_grad(), still_statistics(copy):
        chosen = copy(batch).argsort()[:4].sort().values
    losses = copy(batch)[chosen] if forward == "once" else copy(batch.at(chosen))
    losses.mean().backward()
    trainer.step(frames)
    assert trainer.state.losses == [pytest.approx(losses.mean().item())]
    for parameter, expected in zip(trainer.objective.parameters(), copy.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad)
    for buffer, expected_buffer in zip(trainer.objective.buffers(), copy.buffers(), strict=True):
        torch.testing.assert_close(buffer, expected_buffer)  # the ranking pass leaves batch-norm's statistics


def make_trainer(store: Path, run: Path, **changes: Any) -> Trainer:
    config = preset("small").with_changes(TINY | {"precision": "float32"} | changes)
    return Trainer(open_store(store), run, config, device=torch.device("cpu"))


def test_a_gradient_that_is_not_finite_stops_before_the_step(store: Path, tmp_path: Path) -> None:
    trainer = make_trainer(store, tmp_path)
    before = {name: value.clone() for name, value in trainer.objective.named_parameters()}
    weight = next(trainer.objective.parameters())
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(
        TrainingError, match=r"the gradient's norm became (inf|nan) at step 0 \(targets: .*track 0 frame"
    ):
        trainer.step(trainer.steps[0])
    assert all(torch.equal(value, before[name]) for name, value in trainer.objective.named_parameters())
    assert trainer.state.step == 0


def test_the_output_of_a_run(store: Path, tmp_path: Path) -> None:
    result = train(store, tmp_path / "run", **TINY, max_steps=20, validate_every=10).to_json()
    assert (result["steps"], result["pairs_seen"], result["frames_encoded"]) == (20, 160, 320)
    assert result["pairs_per_s"] > 0
    assert 0 < result["val_loss"] < 1
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["size"] == 16
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    saved = list_checkpoints(tmp_path / "run")
    losses = {path: json.loads((path / "state.json").read_text())["val_loss"] for path in saved}
    assert best_checkpoint(tmp_path / "run") == min(losses, key=lambda path: float(losses[path]))


def test_a_pair_that_is_warped_both_ways_counts_once(store: Path, tmp_path: Path) -> None:
    result = train(store, tmp_path / "run", **TINY, max_steps=2, both_ways=True)
    assert (result.pairs_seen, result.frames_encoded) == (2 * 8, 2 * 8 * 2)


def test_a_time_budget_becomes_a_number_of_steps(store: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    result = train(store, tmp_path / "run", **TINY, max_minutes=0.04, validate_every=100_000)
    assert time.monotonic() - began < 30
    state = json.loads((result.model / "state.json").read_text())
    assert state["total_steps"] == result.steps > 10
    assert train(store, tmp_path / "run", resume=True, max_minutes=0.04).steps == result.steps
    assert train(store, tmp_path / "run", resume=True, max_minutes=0.06).steps > result.steps


def test_the_window_is_centred_where_the_stores_crops_need_it(frames_folder: Path, tmp_path: Path) -> None:
    import_folder(frames_folder, tmp_path / "store", layout="identity/video", crop="voxceleb", splits="moments")
    few: dict[str, Any] = {"size": 32, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_workers": 0}
    for asked, centre in ((None, 103 / 256), (0.45, 0.45)):
        result = train(
            tmp_path / "store", tmp_path / f"{asked}", **few, max_steps=1, num_val_pairs=8, window_centre_y=asked
        )
        card = read_card(result.model)
        assert card.window[1] == centre
        assert CropSpec.from_json(card.crop or {}) == replace(VOXCELEB, size=256)


def test_the_best_checkpoint_was_measured(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(store, run, **TINY, max_steps=3, validate_every=1, keep_checkpoints=3)
    # The last checkpoint is as an interrupt between two validations writes it, with the previous loss.
    for checkpoint, loss in zip(list_checkpoints(run), (0.2, 0.1, 0.1), strict=True):
        file = checkpoint / "state.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"val_loss": loss}))
    assert best_checkpoint(run).name == "step-00000002"
    for checkpoint in list_checkpoints(run):
        file = checkpoint / "state.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"val_loss": None}))
    assert best_checkpoint(run).name == "step-00000003"


def test_only_parts_of_the_initial_model_can_be_frozen(store: Path, tmp_path: Path) -> None:
    train(store, tmp_path / "autoencoder", **TINY, max_steps=1, objective="autoencoder")
    init = str(tmp_path / "autoencoder")
    train(store, tmp_path / "of_two", **TINY, max_steps=1, init=init, sources=2)
    assert json.loads((tmp_path / "of_two" / "config.json").read_text())["config"]["freeze"] == []
    with pytest.raises(InputError, match="has no flow_decoder, so --freeze cannot keep it"):
        train(store, tmp_path / "frozen", **TINY, max_steps=1, init=init, freeze=("flow_decoder",))
    init = str(tmp_path / "of_two")
    with pytest.raises(InputError, match="all parts are frozen"):
        train(store, tmp_path / "all", **TINY, max_steps=1, init=init, freeze=("encoder", "flow_decoder"))


def test_given_options_count_even_if_equal_to_the_preset(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=1)
    resume = ["train", str(store), "--out", str(tmp_path / "run"), "--resume"]
    assert main([*resume, "--batch-size", "64"]) == 2
    assert "cannot change batch_size" in capsys.readouterr().err
    assert main([*resume, "--no-flip"]) == 2
    assert main([*resume, "--max-steps=2"]) == 0


def test_a_loss_that_is_not_finite_stops_before_the_step(store: Path, tmp_path: Path) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=4)
    file = latest_checkpoint(tmp_path / "run") / "model.safetensors"
    poisoned = load_file(file)
    poisoned["encoder.layers.0.weight"][:] = float("nan")
    save_file(poisoned, file)
    with pytest.raises(TrainingError, match=r"the loss became nan at step 4 \(targets: person\d/0 track 0 frame \d"):
        train(store, tmp_path / "run", resume=True, max_steps=8)
    assert latest_checkpoint(tmp_path / "run").name == "step-00000004"


def test_wrong_input_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        train(tmp_path / "none", tmp_path / "run", **TINY)
    with pytest.raises(ModelError, match="is not a run"):
        train(store, tmp_path / "run", resume=True)
    train(store, tmp_path / "run", **TINY, max_steps=1)
    with pytest.raises(InputError, match="already contains a run"):
        train(store, tmp_path / "run", **TINY)
    with pytest.raises(InputError, match="cannot change size"):
        train(store, tmp_path / "run", resume=True, size=32)
    (latest_checkpoint(tmp_path / "run") / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"cannot be loaded .*; delete it to use the previous one"):
        train(store, tmp_path / "run", resume=True)


@pytest.mark.parametrize(("name", "text"), [("config.json", '{"format": "fabnet-model"}'), ("metrics.csv", "a,b\n")])
def test_files_that_no_run_wrote_are_not_overwritten(store: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"contains a {name} that no run wrote"):
        train(store, tmp_path, **TINY, max_steps=1)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text


def test_a_full_disk_does_not_harm_a_resumed_run(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(store, run, **TINY, max_steps=2)
    before = [(run / name).read_text() for name in ("config.json", "metrics.csv")]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))  # no file may grow beyond 8 bytes
    try:
        with pytest.raises(OutputError, match=r"cannot write .*config\.json"):
            train(store, run, resume=True, max_steps=4)
        with pytest.raises(OutputError, match=r"cannot write .*metrics\.csv"):
            RunLog(run, first_step=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(run / name).read_text() for name in ("config.json", "metrics.csv")] == before
    assert train(store, run, resume=True, max_steps=4).steps == 4


@pytest.mark.parametrize("cut", ["3,24,0.07,,,9.9e-", "1"])
def test_a_truncated_last_row_is_left_out(store: Path, tmp_path: Path, cut: str) -> None:
    train(store, tmp_path / "run", **TINY, max_steps=2, validate_every=2)
    with (tmp_path / "run" / "metrics.csv").open("a") as lines:
        lines.write(cut)
    train(store, tmp_path / "run", resume=True, max_steps=4)
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [2, 4]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_corrupt_picture_is_named(store: Path, tmp_path: Path, num_workers: int) -> None:
    shutil.copytree(store, tmp_path / "store")
    for file in (tmp_path / "store" / "data").iterdir():
        file.write_bytes(file.read_bytes().replace(b"\xff\xd8\xff", b"bad"))
    said = r"^row \d+ of the store is corrupt: the file is not a picture .*; `fabnet info --verify --every-image`"
    with pytest.raises(StoreError, match=said):
        train(tmp_path / "store", tmp_path / "run", **TINY | {"num_workers": num_workers}, max_steps=1)
