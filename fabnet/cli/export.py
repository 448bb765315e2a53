"""`fabnet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

__all__ = ["run", "show"]


def run(model: tyro.conf.Positional[str], out: Path) -> dict[str, Any]:
    """Export a model's encoder to ONNX, to run without torch.

    The input is `images`, (B, 3, size, size) float32 RGB in [0, 1]; the output `embeddings`, (B, D). The export is
    checked against torch on random images.

    Examples:
      fabnet export run --out encoder.onnx

    Args:
        model: a shipped name, a run or a checkpoint.
        out: the file to write; its model's config.json is written beside it.
    """
    from fabnet.embedding.export import export

    return export(model, out)


def show(result: dict[str, Any]) -> None:
    """Print where the encoder is and how close it is to torch's."""
    print(f"{result['out']}: embeddings differ from torch's by {result['max_difference']:.2g} at most")
