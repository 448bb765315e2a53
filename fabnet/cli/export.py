"""`fabnet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

from fabnet.errors import InputError
from fabnet.runtime.terminal import say

__all__ = ["run", "show"]


def run(
    model: tyro.conf.Positional[str], out: Path, int8: Path | None = None, browser: str | None = None
) -> dict[str, Any]:
    """Export a model: its encoder to ONNX, all of it to a folder to publish, or a page that reads faces in the browser.

    The ONNX file's input is `images`, (B, 3, size, size) float32 RGB in [0, 1], its output `embeddings`, (B, D); it is
    checked against torch on random images, at several B. A folder has the form of a repository on the Hugging Face Hub:
    model.safetensors, config.json, encoder.onnx and a model card, README.md, to complete before `hf upload`. The page
    is a folder for any static server; docs/browser.md says more.

    Examples:
      fabnet export run --out exported/encoder.onnx
      fabnet export run --out my-faces
      fabnet export run --out int8/encoder.onnx --int8 tracks.lance
      fabnet export base --out page --browser npm

    Args:
        model: a shipped name, a run, a checkpoint or hf:OWNER/NAME.
        out: the ONNX file to write, its model's config.json beside it; or, where it does not end in .onnx, the folder.
        int8: face crops, a folder or a store, to calibrate an encoder of eight bits on: faster, smaller and a little
            less exact; how near it comes is measured on every second crop. Probes must be fitted on it anew.
        browser: write the page, with ONNX Runtime Web from here: npm, which downloads a pinned version of the npm
            package onnxruntime-web (MIT), or the file that `npm pack` made of this version. The model needs a face
            reader.
    """
    if browser is not None and int8 is not None:
        raise InputError("--browser writes a page and --int8 an ONNX file; give one of them")
    if browser is not None:
        from fabnet import export_page

        return export_page(model, out, runtime=browser)
    from fabnet import export

    return export(model, out, int8=int8)


def show(result: dict[str, Any]) -> None:
    """Print where the encoder is and how close it is to torch's in float32, or how to open the page."""
    if "runtime" in result:
        out = result["out"]
        size = f"{result['bytes'] / 1e6:.0f} MB"
        say(f"{out}: a page with {result['encoder']} and ONNX Runtime Web {result['runtime']}, {size}")
        say(f"to see it at http://localhost:8000: python -m http.server --bind localhost --directory {out} 8000")
        return
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
