"""Encoders without torch: export to ONNX, and half-precision model folders to ship."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from fabnet.embedding.digest import file_digest
from fabnet.embedding.int8 import parity, quantize, read_crops
from fabnet.embedding.load_encoder import load
from fabnet.errors import InputError, MissingDependencyError, ModelError
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import CONFIG_FILE, ONNX_FILE, WEIGHTS_FILE, read_card, write_card
from fabnet.objectives import load_objective
from fabnet.output import written_whole

__all__ = ["export", "export_onnx", "ship"]

OPSET = 18


def export_onnx(folder: Path, file: Path) -> None:
    """Export a model folder's encoder: input `images` (B, 3, size, size) float32, output `embeddings` (B, D).

    Raises:
        MissingDependencyError: onnx or onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingDependencyError("the export needs onnx and onnxscript: pip install 'fabnet[export]'") from None
    objective, card = load_objective(folder)
    example = torch.rand(2, 3, card.size, card.size)
    with written_whole(file) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            objective.get_submodule("encoder"), (example,), str(partial),
            input_names=["images"], output_names=["embeddings"], opset_version=OPSET, dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False,
        )  # fmt: skip
        _without_traces(partial)


def _without_traces(file: Path) -> None:
    """Take the exporter's stack traces out of an ONNX file: they hold the paths of the machine it was made on."""
    import onnx

    model = onnx.load(file)
    for holder in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    onnx.save(model, file)


def export(model: str | Path, out: Path, *, int8: Path | None = None) -> dict[str, Any]:
    """Export a model's encoder to an ONNX file, with its `config.json` beside it.

    Args:
        model: a shipped name, a run or a checkpoint.
        out: the file to write, in a folder of its own.
        int8: a folder of face crops or a track store to calibrate on: the encoder is quantised to eight bits, which
            makes it faster and smaller and a little less exact; None: it stays float32.

    Returns:
        `out`, `precision`, and how near the embeddings are to torch's. Of float32: `max_difference`, on random images.
        Of int8: `calibrated_on` and `compared_on`, counts of crops (every second one is kept for the comparison), and
        what `fabnet.embedding.int8.parity` gives.

    Raises:
        InputError: beside `out` lies the `config.json` of something else, or there are no crops to calibrate on.
        ModelError: the model cannot be loaded.
        MissingDependencyError: onnx or onnxscript is not installed.
    """
    folder = find_model(model)
    if (out.parent / CONFIG_FILE).exists():
        raise InputError(f"{out.parent} holds a {CONFIG_FILE} already; export into a folder of its own")
    if int8 is not None:
        return _export_int8(folder, out, int8)
    export_onnx(folder, out)
    card = read_card(folder)
    weights = folder if folder.is_file() else folder / WEIGHTS_FILE
    write_card(out.parent, replace(card, training=card.training | {"weights_sha256": file_digest(weights)}))
    return {"out": str(out), "precision": "float32", "max_difference": _difference(folder, out)}


def _export_int8(folder: Path, out: Path, source: Path) -> dict[str, Any]:
    exact = load(folder, backend="torch", device="cpu", precision="float32")
    crops = read_crops(source, exact)
    calibrating, comparing = crops[::2], crops[1::2]
    with TemporaryDirectory() as scratch:
        exported = Path(scratch) / ONNX_FILE
        export_onnx(folder, exported)
        with written_whole(out) as partial:
            quantize(exported, partial, exact.prepare(calibrating))
    facts = {"precision": "int8", "calibrated_on": len(calibrating)}
    # No hash of the weights in float32: other features, so other probes.
    training = {name: value for name, value in exact.card.training.items() if name != "weights_sha256"}
    write_card(out.parent, replace(exact.card, training=training | facts))
    made = load(out, backend="onnx")
    return (
        {"out": str(out)}
        | facts
        | {"compared_on": len(comparing)}
        | parity(exact.embed(comparing), made.embed(comparing))
    )


def _difference(folder: Path, file: Path, *, num_images: int = 16, seed: int = 0) -> float:
    """The largest absolute difference between the torch and ONNX embeddings of random images."""
    with_torch = load(folder, backend="torch", device="cpu", precision="float32")
    with_onnx = load(file, backend="onnx")
    size = with_torch.card.size
    images = list(np.random.default_rng(seed).integers(0, 256, (num_images, size, size, 3), dtype=np.uint8))
    difference = with_onnx.embed(images) - with_torch.embed(images)
    return float(np.abs(difference).max())


def ship(model: str | Path, out: Path, **facts: object) -> float:
    """Make a model folder to ship from a run: weights in half precision, and the ONNX encoder of exactly these.

    Args:
        model: a run or checkpoint.
        out: the model folder to write.
        facts: added to what the card says of the training.

    Returns:
        The largest difference between the torch and ONNX embeddings of random images.

    Raises:
        ModelError: the model cannot be loaded, or the two encoders differ by more than 1e-3.
    """
    objective, card = load_objective(find_model(model))
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in objective.state_dict().items()
    }
    with written_whole(out) as partial:
        partial.mkdir()
        save_file(weights, partial / WEIGHTS_FILE)
        write_card(partial, replace(card, training=card.training | facts))
        export_onnx(partial, partial / ONNX_FILE)
        difference = _difference(partial, partial / ONNX_FILE)
        if difference > 1e-3:
            raise ModelError(
                f"the ONNX encoder of {model} differs by {difference:.2g} from torch's; expected 1e-3 or less"
            )
    return difference
