"""What a run starts with: its network, weights and optimiser, and batch-norm statistics that stay as they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fabnet.errors import InputError
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import read_card
from fabnet.objectives.authors import authors_weights
from fabnet.objectives.model_io import load_objective
from fabnet.objectives.registry import build_objective
from fabnet.training.config import TrainConfig

__all__ = [
    "architecture_of",
    "build_optimizer",
    "fresh_objective",
    "frozen_parts",
    "has_single_source",
    "load_initial",
    "still_statistics",
]


def architecture_of(config: TrainConfig) -> dict[str, Any]:
    """What a run's network is built from, and can be built from again."""
    shape: dict[str, Any] = {"size": config.size, "width": config.width, "embedding_dim": config.embedding_dim}
    if config.sources > 1:
        shape["num_sources"] = config.sources
    return shape | config.options.architecture()


def fresh_objective(config: TrainConfig) -> nn.Module:
    """A run's network with fresh weights, drawn from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_objective(config.objective, **architecture_of(config) | dataclasses.asdict(config.options))


def build_optimizer(objective: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser of the parts that are not frozen: SGD with a momentum of 0.9, or Adam with betas 0.9 and 0.999.

    Raises:
        InputError: all parts are frozen.
    """
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError("all parts are frozen: leave one out of freeze, to learn")
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, config.learning_rate, momentum=0.9, fused=True)
    return torch.optim.Adam(parameters, config.learning_rate, fused=True)


def has_single_source(model: str | Path) -> bool:
    """Whether a model is a FAb-Net that was trained with one source a target.

    Raises:
        ModelError: there is no such model.
    """
    folder = find_model(model)
    if folder.is_file():  # of the authors' release
        parts = {name.split(".")[0] for name in authors_weights(folder)}
        return parts == {"encoder", "flow_decoder"}
    card = read_card(folder)
    return card.objective == "fabnet" and int(card.architecture.get("num_sources", 1)) == 1


def load_initial(model: str | Path, objective: nn.Module, *, kept: Sequence[str] = ()) -> None:
    """Put a model's weights into an objective, as far as it has them: a single-source run has no confidence decoder.

    Args:
        model: as `fabnet.load` takes it.
        objective: keeps its own weights where the model has none.
        kept: parts that are to stay as the model gives them.

    Raises:
        ModelError: the model is missing or damaged.
        InputError: the model is of another shape, or lacks a part that is to be kept.
    """
    folder = find_model(model)
    weights = authors_weights(folder) if folder.is_file() else load_objective(folder)[0].state_dict()
    own = objective.state_dict()
    for name, value in weights.items():
        if name in own and own[name].shape != value.shape:
            raise InputError(
                f"--init {model} does not fit: its {name} is {tuple(value.shape)}, here it would be "
                f"{tuple(own[name].shape)}; give the same size, width and embedding dimension"
            )
    common = {name: value for name, value in weights.items() if name in own}
    if not common:
        raise InputError(f"--init {model} shares nothing with this objective")
    for part in kept:
        is_known = any(name.startswith(f"{part}.") for name in own)
        if is_known and not any(name.startswith(f"{part}.") for name in common):
            raise InputError(f"--init {model} has no {part}, which --freeze would keep as it is: leave it out")
    objective.load_state_dict(common, strict=False)


def frozen_parts(objective: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Take parts of an objective out of training; the caller keeps them in eval mode, for their batch-norm's sake.

    Raises:
        InputError: there is no such part.
    """
    parts = dict(objective.named_children())
    for name in names:
        if name not in parts:
            raise InputError(f"there is no part {name!r} to freeze; there is {', '.join(parts)}")
    return [parts[name].requires_grad_(False) for name in names]


@contextmanager
def still_statistics(network: nn.Module) -> Iterator[None]:
    """While the block runs, batch-norm normalises by the batch as in training, but its running statistics stay."""
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
