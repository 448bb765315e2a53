"""`fabnet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

from fabnet.runtime.terminal import say

__all__ = ["run", "show"]


def run(model: tyro.conf.Positional[str], out: Path, int8: Path | None = None) -> dict[str, Any]:
    """Export a model: its encoder to ONNX, to run without torch, or all of it to a folder to publish.

    The ONNX file's input is `images`, (B, 3, size, size) float32 RGB in [0, 1], its output `embeddings`, (B, D); it is
    checked against torch on random images, at several B. A folder has the form of a repository on the Hugging Face Hub:
    model.safetensors, config.json, encoder.onnx and a model card, README.md, to complete before `hf upload`.

    Examples:
      fabnet export run --out exported/encoder.onnx
      fabnet export run --out my-faces
      fabnet export run --out int8/encoder.onnx --int8 tracks.lance

    Args:
        model: a shipped name, a run, a checkpoint or hf:OWNER/NAME.
        out: the ONNX file to write, its model's config.json beside it; or, where it does not end in .onnx, the folder.
        int8: face crops, a folder or a store, to calibrate an encoder of eight bits on: faster, smaller and a little
            less exact; how near it comes is measured on every second crop. Probes must be fitted on it anew.
    """
    from fabnet import export

    return export(model, out, int8=int8)


def show(result: dict[str, Any]) -> None:
    """Print where the encoder is and how close it is to torch's in float32."""
    line = f"{result['out']}: embeddings differ from torch's by {result['max_difference']:.2g} at most"
    if result["precision"] == "float32":
        sizes = ", ".join(map(str, result["batch_sizes"]))
        line += f"; opset {result['opset']}, a batch of any size (checked: {sizes})"
    if result["precision"] == "int8":
        line += (
            f", cosine {result['cosine']:.5f} (the lowest {result['lowest_cosine']:.5f}; with the mean face taken off "
            f"{result['centred_cosine']:.5f}) on {result['compared_on']} crops; int8, calibrated on "
            f"{result['calibrated_on']} others"
        )
    say(line)
