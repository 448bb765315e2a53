"""`fabnet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

__all__ = ["run", "show"]


def run(model: tyro.conf.Positional[str], out: Path, int8: Path | None = None) -> dict[str, Any]:
    """Export a model's encoder to ONNX, to run without torch.

    The input is `images`, (B, 3, size, size) float32 RGB in [0, 1]; the output `embeddings`, (B, D). The export is
    checked against torch on random images.

    Examples:
      fabnet export run --out encoder.onnx
      fabnet export run --out int8/encoder.onnx --int8 tracks.lance

    Args:
        model: a shipped name, a run or a checkpoint.
        out: the file to write; its model's config.json is written beside it.
        int8: face crops, a folder or a store, to calibrate an encoder of eight bits on: faster, smaller and a little
            less exact; how near it comes is measured on every second crop. Probes must be fitted on it anew.
    """
    from fabnet.embedding.export import export

    return export(model, out, int8=int8)


def show(result: dict[str, Any]) -> None:
    """Print where the encoder is and how close it is to torch's in float32."""
    line = f"{result['out']}: embeddings differ from torch's by {result['max_difference']:.2g} at most"
    if result["precision"] == "int8":
        line += (
            f", cosine {result['cosine']:.5f} (the lowest {result['lowest_cosine']:.5f}; with the mean face taken off "
            f"{result['centred_cosine']:.5f}) on {result['compared_on']} crops; int8, calibrated on "
            f"{result['calibrated_on']} others"
        )
    print(line)
