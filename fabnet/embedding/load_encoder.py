"""From the name or path of a model to an encoder, on ONNX Runtime or torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from fabnet.embedding.baselines import load_baseline
from fabnet.embedding.embedder import Embedder
from fabnet.errors import MissingDependencyError, ModelError
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import ONNX_FILE, read_card
from fabnet.weights import shipped_models

__all__ = ["load"]

Backend = Literal["auto", "onnx", "torch"]


def load(model: str | Path = "small", *, backend: Backend = "auto", device: str = "auto") -> Embedder:
    """Load an encoder.

    Args:
        model: a shipped name, a run folder, a checkpoint, a model folder or its `.onnx` file; or a baseline's name
            (`fabnet.embedding.baselines`): "mean", "pixels", "random", "random:SEED", "dlib-identity", "vgg-face:FILE",
            "timm:NAME". A folder that has such a name is reached as "./pixels", or as a `Path`.
        backend: "onnx" (ONNX Runtime), "torch", or "auto": ONNX Runtime where the model has been exported and no
            CUDA device is asked for, else torch.
        device: for torch: "auto", "cpu", "cuda" or "cuda:N".

    Returns:
        The encoder, ready to `embed`.

    Raises:
        ModelError: there is no such model, or it is damaged.
        MissingDependencyError: the backend is not installed.
    """
    if isinstance(model, str) and model not in shipped_models():
        baseline = load_baseline(model, device=device)
        if baseline is not None:
            return baseline
    folder = find_model(model)
    card = read_card(folder)
    file = Path(model) if Path(model).suffix == ".onnx" else folder / ONNX_FILE
    has_onnx = file.is_file()
    if backend == "onnx" and not has_onnx:
        raise ModelError(f"{folder} has no {ONNX_FILE}; make one with fabnet export, or use backend torch")
    if backend == "onnx" or (backend == "auto" and has_onnx and device in ("auto", "cpu")):
        return Embedder(card, _onnx_encoder(file), "onnx")
    return Embedder(card, _torch_encoder(folder, device), "torch")


def _onnx_encoder(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no narrower base
        raise ModelError(f"{file} cannot be loaded: {str(error).splitlines()[0]}") from None

    def encode(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, {"images": images})[0])

    return encode


def _require_torch(what: str) -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingDependencyError(f"loading {what} needs torch: pip install 'fabnet[train]'")


def _torch_encoder(folder: Path, device: str) -> Callable[[np.ndarray], np.ndarray]:
    _require_torch(str(folder))
    import torch

    from fabnet.objectives import load_objective
    from fabnet.training.device import choose_device

    place = choose_device(device)
    objective, _ = load_objective(folder, place)
    encoder = objective.get_submodule("encoder").to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(encoder(torch.from_numpy(images).to(place)).cpu().numpy())

    return encode
