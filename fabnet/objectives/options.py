"""The base of every objective's options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

__all__ = ["ObjectiveOptions"]


@dataclass(kw_only=True, frozen=True)
class ObjectiveOptions:
    """The options of an objective that has none; the base of the others.

    An objective declares its own as a nested dataclass `Options`, with a docstring under each field. They become flags
    of `fabnet train`, keywords of `fabnet.train` and entries of the run's `config.json`.
    """

    def check(self, num_sources: int) -> None:
        """Check the values against each other and against the number of source frames per target.

        Raises:
            ValueError: the values conflict.
        """

    def architecture(self) -> dict[str, object]:
        """The options that are needed to rebuild the network; its model card keeps them."""
        return {}

    def input_size(self, size: int) -> int:
        """Side of the network's input in pixels, if its encoder has this size."""
        return size

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the options."""
        return tuple(field.name for field in dataclasses.fields(cls))
