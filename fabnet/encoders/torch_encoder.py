"""Runs a model folder's encoder on torch, which is imported on first use."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fabnet.errors import MissingDependencyError

if TYPE_CHECKING:
    from fabnet.encoders.embedder import Precision

__all__ = ["TorchEncoder", "torch_encoder"]


class TorchEncoder(NamedTuple):
    """An encoder that runs on torch."""

    encode: Callable[[np.ndarray], np.ndarray]
    """Function from (B, 3, size, size) float32 RGB in [0, 1] to (B, D) float32."""
    precision: str
    """Precision that it computes in, "float32" or "bfloat16"."""
    is_single_threaded: bool
    """Whether `encode` runs only in the thread that calls it."""


def torch_encoder(folder: Path, device: str, precision: Precision) -> TorchEncoder:
    """Load the encoder of a model folder.

    Args:
        folder: the model folder, or a file of the authors' release.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: see `fabnet.load`.

    Raises:
        MissingDependencyError: torch is not installed.
        ModelError: the model is corrupt.
    """
    if find_spec("torch") is None:
        raise MissingDependencyError(f"loading {folder} needs torch: pip install 'fabnet[train]'")
    import torch

    from fabnet.encoders.inference import choose_precision, for_inference
    from fabnet.objectives.model_io import load_objective
    from fabnet.training.device import choose_device

    torch_device = choose_device(device)
    dtype = choose_precision(precision, torch_device)
    objective, _ = load_objective(folder, torch_device)
    encoder = for_inference(objective.get_submodule("encoder"), torch_device, dtype)
    on_cpu, num_threads = torch_device.type == "cpu", torch.get_num_threads()

    def encode(images: np.ndarray) -> np.ndarray:
        if on_cpu:
            torch.set_num_threads(1)  # for this thread only, because the other cores run other batches
        try:
            with torch.inference_mode():
                return np.asarray(encoder(torch.from_numpy(images).to(torch_device)).cpu().numpy())
        finally:
            if on_cpu:
                torch.set_num_threads(num_threads)

    return TorchEncoder(encode, "bfloat16" if dtype == torch.bfloat16 else "float32", on_cpu)
