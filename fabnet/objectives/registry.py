"""The objectives by name."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from fabnet.errors import InputError
from fabnet.models.encoder import Encoder
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet

__all__ = ["OBJECTIVES", "Objective", "build_objective"]


class Objective(Protocol):
    """What the trainer trains: per-sample losses from a batch, with an encoder inside."""

    encoder: Encoder
    num_sources: int

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Give the (B,) float32 losses of a batch."""


OBJECTIVES: dict[str, type[nn.Module]] = {"fabnet": FabNet}


def build_objective(name: str, **arguments: Any) -> nn.Module:
    """Build an objective with fresh weights (drawn from torch's global generator).

    Args:
        name: of the objective.
        arguments: its own: size, width, embedding_dim and what else it takes.

    Raises:
        InputError: no objective has this name, it takes no such argument, or the size is no power of two.
    """
    if name not in OBJECTIVES:
        raise InputError(f"no objective is called {name!r}; there is {', '.join(OBJECTIVES)}")
    try:
        return OBJECTIVES[name](**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
