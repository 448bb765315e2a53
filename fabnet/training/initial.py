"""Builds a run's network, initial weights and optimiser; freezes parts and batch-norm statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fabnet.errors import InputError, ModelError
from fabnet.models.find_model import STATE_FILE, find_model
from fabnet.models.looks import has_two_looks, shared_between_looks
from fabnet.models.model_folder import read_card
from fabnet.objectives.authors import authors_weights
from fabnet.objectives.model_io import load_objective
from fabnet.objectives.registry import build_objective
from fabnet.training.checkpoint import read_state
from fabnet.training.config import TrainConfig
from fabnet.training.curriculum import LossPercentileCurriculum

__all__ = [
    "architecture_of",
    "build_optimizer",
    "curriculum_position",
    "fresh_objective",
    "frozen_parts",
    "has_single_source",
    "load_initial",
    "still_statistics",
]


def architecture_of(config: TrainConfig) -> dict[str, Any]:
    """The arguments that a run's network is built from, now and when it is loaded."""
    shape: dict[str, Any] = {"size": config.size, "width": config.width, "embedding_dim": config.embedding_dim}
    if config.sources > 1:
        shape["num_sources"] = config.sources
    return shape | config.options.architecture()


def fresh_objective(config: TrainConfig) -> nn.Module:
    """Build a run's network with random weights from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_objective(config.objective, **architecture_of(config) | dataclasses.asdict(config.options))


def build_optimizer(objective: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimiser of the parts that are not frozen: SGD with momentum 0.9, or Adam with betas 0.9 and 0.999.

    Raises:
        InputError: all parts are frozen.
    """
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError("all parts are frozen: leave at least one out of freeze")
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, config.learning_rate, momentum=0.9, fused=True)
    return torch.optim.Adam(parameters, config.learning_rate, fused=True)


def has_single_source(model: str | Path) -> bool:
    """Whether a model is a FAb-Net that was trained with one source per target.

    Raises:
        ModelError: there is no such model.
    """
    folder = find_model(model)
    if folder.is_file():  # from the authors' release
        parts = {name.split(".")[0] for name in authors_weights(folder)}
        return parts == {"encoder", "flow_decoder"}
    card = read_card(folder)
    return card.objective == "fabnet" and int(card.architecture.get("num_sources", 1)) == 1


def curriculum_position(model: str | Path) -> int:
    """Position of the curriculum's window in the checkpoint that a model names; 0 without one.

    Raises:
        ModelError: there is no such model, or its state is corrupt.
    """
    folder = find_model(model)
    if folder.is_file() or not (folder / STATE_FILE).is_file() or not (state := read_state(folder).curriculum):
        return 0
    curriculum = LossPercentileCurriculum(0)
    try:
        curriculum.load_state_dict(state)
    except ValueError as error:
        raise ModelError(f"{folder / STATE_FILE} is corrupt ({error}); give --curriculum-start") from None
    return curriculum.shifts


def load_initial(model: str | Path, objective: nn.Module, *, kept: Sequence[str] = ()) -> None:
    """Load those of a model's weights that an objective has; a single-source run has no confidence decoder.

    Args:
        model: see `fabnet.load`.
        objective: the objective; parts that the model lacks keep their weights.
        kept: parts that must come from the model, because they stay as they are.

    Raises:
        ModelError: the model is missing or corrupt.
        InputError: the model has another shape, or lacks a part in `kept`.
    """
    folder = find_model(model)
    weights = authors_weights(folder) if folder.is_file() else load_objective(folder)[0].state_dict()
    own = objective.state_dict()
    if has_two_looks(weights) and not has_two_looks(own):
        raise InputError(f"--init {model} has two looks at the face; give --looks 2, or another --init")
    if has_two_looks(own) and not has_two_looks(weights):
        weights = shared_between_looks(weights)
    for name, value in weights.items():
        if name in own and own[name].shape != value.shape:
            raise InputError(
                f"--init {model} does not fit: the shape of its {name} is {tuple(value.shape)}, this run needs "
                f"{tuple(own[name].shape)}; give the same size, width and embedding dimension"
            )
    common = {name: value for name, value in weights.items() if name in own}
    if not common:
        raise InputError(f"--init {model} has no weights of this objective")
    for part in kept:
        is_known = any(name.startswith(f"{part}.") for name in own)
        if is_known and not any(name.startswith(f"{part}.") for name in common):
            raise InputError(f"--init {model} has no {part}, so --freeze cannot keep it: leave it out of --freeze")
    objective.load_state_dict(common, strict=False)


def frozen_parts(objective: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Freeze parts of an objective; the caller keeps them in eval mode, so that their batch-norm is frozen too.

    Raises:
        InputError: there is no such part.
    """
    parts = dict(objective.named_children())
    for name in names:
        if name not in parts:
            raise InputError(f"there is no part {name!r} to freeze; choose among {', '.join(parts)}")
    return [parts[name].requires_grad_(False) for name in names]


@contextmanager
def still_statistics(network: nn.Module) -> Iterator[None]:
    """Keep batch-norm's running statistics unchanged in the block, though it normalises by the batch as in training."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, tracked
