"""The training configuration: presets, checks, and that every field is used."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

import fabnet
from fabnet.errors import InputError
from fabnet.objectives.autoencoder import Autoencoder
from fabnet.objectives.fabnet import FabNet
from fabnet.training.config import PRESETS, TrainConfig, preset
from fabnet.training.device import choose_device
from fabnet.training.initial import build_optimizer


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds(name: str) -> None:
    assert TrainConfig.from_json(json.loads(json.dumps(preset(name).to_json()))) == preset(name)


def test_the_paper_preset_has_the_papers_recipe() -> None:
    changed = {
        name: value
        for name, value in preset("paper").to_json().items()
        if TrainConfig(max_steps=1).to_json()[name] != value
    }
    assert changed == {
        "size": 256,
        "batch_size": 8,
        "optimizer": "sgd",
        "schedule": "plateau",
        "plateau_patience": 15,
        "curriculum_patience": 3,
        "round_passes": 1 / 4,
        "min_gain": 1e-3,
        "num_val_pairs": 8192,
        "jitter_scale_min": 170 / 190,
        "jitter_scale_max": 189 / 190,
        "jitter_shift": None,
        "max_steps": None,
    }
    unchanged = {
        "learning_rate": 1e-3, "width": 32, "embedding_dim": 256, "window_side": 190 / 256, "flip": False,
        "plateau_drops": 2, "warmup_steps": 0, "draw": "track", "sources": 1, "recolour": 0.0, "occlude": 0.0,
    }  # fmt: skip
    assert preset("paper").to_json() | unchanged == preset("paper").to_json()
    assert preset("paper", curriculum=True) == preset("paper").with_changes({"curriculum": True, "batch_size": 32})
    assert preset("paper").options == FabNet.Options()


def test_the_optimisers_are_the_papers() -> None:
    objective = torch.nn.Linear(1, 1)
    sgd = build_optimizer(objective, preset("paper")).param_groups[0]
    assert {name: sgd[name] for name in ("lr", "momentum", "dampening", "weight_decay", "nesterov")} == {
        "lr": 1e-3, "momentum": 0.9, "dampening": 0, "weight_decay": 0, "nesterov": False,
    }  # fmt: skip
    adam = build_optimizer(objective, preset("small")).param_groups[0]
    assert (adam["lr"], adam["betas"], adam["weight_decay"]) == (1e-3, (0.9, 0.999), 0)


def test_every_field_is_read_somewhere() -> None:
    folder = Path(fabnet.__file__).parent
    code = "".join(file.read_text() for file in (folder / "training").glob("*.py") if file.name != "config.py")
    unread = [field.name for field in dataclasses.fields(TrainConfig) if f"config.{field.name}" not in code]
    assert unread == []
    code = (folder / "objectives" / "fabnet.py").read_text()
    assert [name for name in FabNet.Options.names() if f"options.{name}" not in code] == []


def test_options_belong_to_their_objective() -> None:
    config = preset("small").with_changes({"objective": "autoencoder"})
    assert config.options == Autoencoder.Options()
    with pytest.raises(InputError, match="the objective autoencoder has no option 'ssim'"):
        config.with_changes({"ssim": 0.5})
    former = preset("small").to_json() | {"objective": "rotnet"}  # as an earlier fabnet wrote it
    del former["looks"], former["motion"]  # younger than that
    assert TrainConfig.from_json(former).objective == "rotnet"


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(InputError, match="no option 'learnin_rate'; did you mean 'learning_rate'"):
        preset("small").with_changes({"learnin_rate": 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 100}, "size must be a power of two"),
        ({"batch_size": 0}, "batch_size must be 1 or more; got 0"),
        ({"learning_rate": -1.0}, "learning_rate must lie between"),
        ({"max_steps": 5, "max_minutes": 1.0}, "not both"),
        ({"both_ways": True, "sources": 3}, "one source"),
        ({"both_ways": True, "objective": "rotnet"}, "rotnet has no option 'both_ways'"),
        ({"ssim": 1.5}, "ssim must lie in 0 to 1; got 1.5"),
        ({"motion": 1.0}, "motion must be 0 or more and less than 1; got 1.0"),
        ({"motion": 0.5, "sources": 2}, "motion needs one source; got 2: drop one of the two options"),
        ({"recolour": 0.5, "objective": "rotnet"}, "rotnet takes no recolour; got 0.5"),
        ({"objective": "rotnett"}, "no objective is called 'rotnett'"),
        ({"max_steps": None}, "needs an end"),
        ({"max_steps": 0}, "max_steps must be 1 or more; got 0"),
        ({"max_minutes": 0.0}, "max_minutes must be more than 0"),
        ({"embedding_dim": 0}, "embedding_dim must be 1 or more"),
        ({"warmup_steps": -5}, "warmup_steps must be 0 or more; got -5"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"seed": 2**53 + 1}, "seed must be 9007199254740992 or less"),
        ({"max_minutes": 1e300}, "max_minutes must be 9007199254740992 or less"),
        ({"jitter_scale_max": 1e6}, "jitter_scale_max must be 10 or less"),
        ({"num_workers": -1}, "num_workers must be 0 or more"),
        ({"jitter_shift": -0.1}, "jitter_shift must be 0 or more"),
        ({"window_centre_y": 1.5}, "window_centre_y must lie in 0 to 1; got 1.5"),
        ({"window_centre_x": math.nan}, "window_centre_x must be a finite number; got nan"),
        ({"confidence_bound": "tanh"}, "confidence_bound needs several sources"),
        ({"curriculum_forward": "twice"}, "curriculum_forward twice needs a curriculum"),
        ({"curriculum_start": 2}, "curriculum_start needs a curriculum"),
        ({"curriculum": True, "curriculum_start": 5}, "curriculum_start must lie in 0 to 4; got 5"),
        ({"min_gain": 1.0}, "min_gain must be 0 or more and less than 1; got 1.0"),
        ({"min_gain": -0.1}, "min_gain must be 0 or more"),
        ({"round_passes": -1.0}, "round_passes must be 0 or more"),
        ({"pair_gap": 0.0}, "pair_gap must lie in 0.001 to 86400 seconds; got 0.0"),
        ({"pair_gap": 0.5, "near_share": 1.5}, "near_share must lie in 0 to 1; got 1.5"),
        ({"pair_gap": 1.0, "near_share": -0.1}, "near_share must lie in 0 to 1; got -0.1"),
        ({"near_share": 0.7}, "give pair_gap"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        preset("small").with_changes(changes)


def test_the_largest_batch() -> None:
    assert preset("small").with_changes({"batch_size": 65_536}).batch_size == 65_536
    with pytest.raises(InputError, match="batch_size must be 65536 or less; got 65537"):
        preset("small").with_changes({"batch_size": 65_537})


def test_one_budget_replaces_the_other() -> None:
    assert preset("small").with_changes({"max_minutes": 3.0}).max_steps is None


@pytest.mark.parametrize("name", ["mps", "xla", "meta", "gpu"])
def test_other_devices_than_cpu_and_cuda_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"unknown device '{name}': choose auto, cpu"):
        choose_device(name)


def test_cuda_is_the_device_of_the_local_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "99")
    for name in ("cuda", "cuda:99"):  # no machine has this many devices
        with pytest.raises(InputError, match=r"device cuda:99 was requested, but torch finds \d+ CUDA devices"):
            choose_device(name)
