"""Shared by the baselines: the preset small's window, and model cards."""

from __future__ import annotations

from fabnet.models.model_folder import ModelCard

__all__ = ["SMALL_SIZE", "SMALL_WINDOW", "baseline_card"]

SMALL_WINDOW = (0.5, 0.5, 176 / 256)
"""Centre x, centre y and side of the preset small's window, in fractions of a stored crop's side."""
SMALL_SIZE = 64
"""Side of the preset small's input in pixels."""


def baseline_card(name: str, size: int, embedding_dim: int, **facts: object) -> ModelCard:
    """Make a baseline's model card; all baselines see the preset small's window.

    Args:
        name: name of the baseline.
        size: side of its input in pixels.
        embedding_dim: D.
        facts: further entries of the card's training section.
    """
    return ModelCard(
        objective=name,
        architecture={"size": size, "embedding_dim": embedding_dim},
        window=SMALL_WINDOW,
        training={"baseline": name, **facts},
    )
