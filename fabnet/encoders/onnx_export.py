"""Exports the encoder of a model folder to an ONNX file, which is compared with torch before it is put in place."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fabnet.encoders.last_convolutions import trim
from fabnet.encoders.onnx_encoder import onnx_encoder
from fabnet.errors import MissingDependencyError, ModelError
from fabnet.files.output import written_whole
from fabnet.models.model_folder import ModelCard
from fabnet.objectives.model_io import load_objective
from fabnet.runtime.interrupts import held

__all__ = ["export_onnx"]

OPSET = 18
TRACED_BATCH = 2
BATCH_SIZES = (1, 2, 7, 32)
"""Batch sizes at which the file is compared: the traced one and others."""
TOLERANCE = 1e-3


def export_onnx(folder: Path, file: Path) -> dict[str, Any]:
    """Export a model folder's encoder: input `images` (B, 3, size, size) float32, output `embeddings` (B, D).

    Args:
        folder: the model folder.
        file: the file to write.

    Returns:
        `opset`; `batch_sizes`, the B at which the file was compared with torch; `max_difference`, the largest absolute
        difference in the embeddings of random images.

    Raises:
        ModelError: the model cannot be loaded, the file does not accept any B, or it differs from torch by more than
            1e-3.
        MissingDependencyError: onnx or onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingDependencyError("the export needs onnx and onnxscript: pip install 'fabnet[export]'") from None
    objective, card = load_objective(folder)
    encoder = objective.get_submodule("encoder")
    with written_whole(file) as partial:
        with _quiet(), held():  # a KeyboardInterrupt within torch's compiled code would abort the process
            torch.onnx.export(
                encoder, (torch.rand(TRACED_BATCH, 3, card.size, card.size),), str(partial),
                input_names=["images"], output_names=["embeddings"], opset_version=OPSET, dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False,
            )  # fmt: skip
        facts = _tidied(partial) | _parity(encoder, card, partial)
        if not facts.pop("is_batch_free"):
            raise ModelError(
                f"the ONNX encoder of {folder} only accepts {TRACED_BATCH} images at once; expected any number"
            )
        if not facts["max_difference"] <= TOLERANCE:
            raise ModelError(
                f"the ONNX encoder of {folder} differs by {facts['max_difference']:.2g} from torch's; expected "
                f"{TOLERANCE:g} or less"
            )
    return facts


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings about itself: missing torchvision, which no encoder needs, and pytrees."""

    def is_of_the_network(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("torchvision is not installed")

    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    registry.addFilter(is_of_the_network)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        registry.removeFilter(is_of_the_network)


def _tidied(file: Path) -> dict[str, Any]:
    """Remove from an ONNX file weights without effect, and the exporter's stack traces, which contain paths of this
    machine; return its facts."""
    import onnx

    model = onnx.load(file)
    for holder in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    trim(model)
    onnx.save(model, file)
    (images,) = model.graph.input
    return {
        "opset": next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx")),
        "is_batch_free": bool(images.type.tensor_type.shape.dim[0].dim_param),
    }


def _parity(encoder: nn.Module, card: ModelCard, file: Path) -> dict[str, Any]:
    """Compare the file's embeddings of random images with torch's."""
    with_onnx, random = onnx_encoder(file, card), np.random.default_rng(0)
    differences = []
    for count in BATCH_SIZES:
        images = random.random((count, 3, card.size, card.size), dtype=np.float32)
        with torch.inference_mode():
            expected = encoder(torch.from_numpy(images)).numpy()
        differences.append(float(np.abs(with_onnx(images) - expected).max()))
    return {"batch_sizes": list(BATCH_SIZES), "max_difference": max(differences)}
