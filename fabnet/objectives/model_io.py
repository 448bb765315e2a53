"""Loads whole models from disk: an objective with its decoders, from a model folder."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fabnet.errors import InputError, ModelError, first_line
from fabnet.models.model_folder import WEIGHTS_FILE, ModelCard, read_card
from fabnet.models.weights_file import bytes_of, check_safetensors
from fabnet.objectives.authors import load_authors
from fabnet.objectives.registry import build_objective

__all__ = ["load_objective"]


def load_objective(folder: Path, device: torch.device | str = "cpu") -> tuple[nn.Module, ModelCard]:
    """Load a model folder's network.

    Args:
        folder: folder with `config.json` and `model.safetensors` (weights may be stored in half precision), or a file
            of the authors' release.
        device: device of the model.

    Returns:
        The objective in eval mode, float32, and its model card.

    Raises:
        ModelError: a file is missing or corrupt, or the weights do not match the architecture.
    """
    card = read_card(folder)
    if folder.is_file():
        return load_authors(folder).to(device).eval(), card
    try:
        with torch.device("meta"):  # allocate only once the weights confirm the size that config.json states
            objective = build_objective(card.objective, **card.architecture)
        check_safetensors(folder / WEIGHTS_FILE, bytes_of(objective.state_dict().values()))
        weights = load_file(folder / WEIGHTS_FILE, device=str(device))
        objective.load_state_dict({name: _at_rest(value) for name, value in weights.items()}, assign=True)
    except (OSError, SafetensorError, RuntimeError, InputError) as error:
        reason = first_line(error)
        raise ModelError(f"{folder / WEIGHTS_FILE} cannot be loaded: {reason}") from None
    return objective.to(device).eval(), card


def _at_rest(weight: torch.Tensor) -> torch.Tensor:
    return weight.float() if weight.is_floating_point() else weight
