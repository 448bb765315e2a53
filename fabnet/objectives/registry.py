"""The objectives by name."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from fabnet.errors import InputError
from fabnet.objectives.autoencoder import Autoencoder
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.rotnet import RotNet
from fabnet.objectives.splitbrain import SplitBrain

__all__ = ["OBJECTIVES", "Objective", "build_objective"]


class Objective(Protocol):
    """What the trainer trains: per-sample losses from a batch, with an encoder inside.

    Attributes:
        encoder: (B, 3, size, size) RGB in [0, 1] to (B, D).
        num_sources: S that it was made for.
        is_warping: whether its loss is that of a warped source, to be held against the unwarped one's.
    """

    encoder: nn.Module
    num_sources: int
    is_warping: bool

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Give the (B,) float32 losses of a batch."""


OBJECTIVES: dict[str, type[nn.Module]] = {
    "fabnet": FabNet,
    "autoencoder": Autoencoder,
    "rotnet": RotNet,
    "splitbrain": SplitBrain,
}


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
