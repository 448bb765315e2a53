"""The objectives by name. To add one, write a class in a file of its own and add its line here."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from fabnet.errors import InputError
from fabnet.objectives.autoencoder import Autoencoder
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.options import ObjectiveOptions
from fabnet.objectives.rotnet import RotNet
from fabnet.objectives.splitbrain import SplitBrain

__all__ = ["OBJECTIVES", "Objective", "build_objective", "objective_named"]


class Objective(Protocol):
    """What the trainer trains: an encoder with a per-sample loss.

    Built as `cls(size, width, embedding_dim)`, plus `num_sources=` if `takes_sources`, and plus `options=` if its
    `Options` have fields.

    Attributes:
        Options: dataclass of its own options.
        is_warping: whether its loss is that of a warped source, comparable to the loss of the unwarped source.
        is_per_sample: whether each loss depends on its sample alone. A loss over the whole batch (repeated for each
            sample) cannot be ranked by a curriculum.
        takes_sources: whether it learns from several sources per target.
        takes_views: whether its encoder sees `Batch.views`: other colours and occlusion.
        num_sources: S that it was built for.
        encoder: (B, 3, size, size) RGB in [0, 1] to (B, D).
    """

    Options: ClassVar[type[ObjectiveOptions]]
    is_warping: ClassVar[bool]
    is_per_sample: ClassVar[bool]
    takes_sources: ClassVar[bool]
    takes_views: ClassVar[bool]
    num_sources: int
    encoder: nn.Module

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Compute the (B,) float32 losses of a batch."""


OBJECTIVES: dict[str, type[nn.Module]] = {
    "fabnet": FabNet,
    "autoencoder": Autoencoder,
    "rotnet": RotNet,
    "splitbrain": SplitBrain,
}


def objective_named(name: str) -> Any:
    """Find an objective's class, an `Objective`.

    Raises:
        InputError: no objective has this name.
    """
    if name not in OBJECTIVES:
        raise InputError(f"no objective is called {name!r}; expected one of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]


def build_objective(name: str, **arguments: Any) -> nn.Module:
    """Build an objective with fresh weights (drawn from torch's global generator).

    Args:
        name: name of the objective.
        arguments: size, width, embedding_dim, num_sources if it takes several, and its own options by name.

    Raises:
        InputError: the objective or an argument is unknown, or the size is not a power of two.
    """
    cls = objective_named(name)
    options = {key: arguments.pop(key) for key in cls.Options.names() if key in arguments}
    try:
        built: nn.Module = cls(**arguments, options=cls.Options(**options)) if options else cls(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
    return built
