"""What the baselines share: the window of the shipped encoder, and a package's place on disk."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fabnet.errors import MissingDependencyError
from fabnet.models.model_folder import ModelCard

__all__ = ["SMALL_SIZE", "SMALL_WINDOW", "baseline_card", "package_folder"]

SMALL_WINDOW = (0.5, 0.5, 176 / 256)
"""Centre x, centre y and side of the preset small's window, in shares of a stored crop's side."""
SMALL_SIZE = 64
"""Of the preset small's input in pixels."""


def baseline_card(name: str, size: int, embedding_dim: int, **facts: object) -> ModelCard:
    """A baseline's model card; all see the preset small's window.

    Args:
        name: of the baseline.
        size: of its input in pixels.
        embedding_dim: D.
        facts: what else is known of it.
    """
    return ModelCard(
        objective=name,
        architecture={"size": size, "embedding_dim": embedding_dim},
        window=SMALL_WINDOW,
        training={"baseline": name, **facts},
    )


def package_folder(package: str, *, needed_by: str, install: str) -> Path:
    """The folder of an installed package, found without importing it.

    Args:
        package: the name it is imported by.
        needed_by: what needs it, for the message.
        install: the command that installs it, for the message.

    Raises:
        MissingDependencyError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(f"{needed_by} needs the package {package}: {install}")
    return Path(spec.origin).parent
