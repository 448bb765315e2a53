"""An encoder ready for use, on ONNX Runtime or torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from fabnet.errors import InputError, MissingDependencyError, ModelError
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import ONNX_FILE, ModelCard, read_card
from fabnet.sampling.window import Window, view
from fabnet.weights import shipped_models

__all__ = ["Embedder", "load"]

Backend = Literal["auto", "onnx", "torch"]


class Embedder:
    """Turns face crops into embeddings.

    Args:
        card: of the model.
        encode: (B, 3, size, size) float32 RGB in [0, 1] to (B, D) float32.
        backend: what `encode` runs on: "onnx" or "torch"; a baseline's own otherwise.
        pca: how many principal components, fitted on their training faces, probes take in place of all D numbers;
            None: all.
    """

    def __init__(
        self, card: ModelCard, encode: Callable[[np.ndarray], np.ndarray], backend: str, *, pca: int | None = None
    ) -> None:
        self.card, self.backend, self.pca = card, backend, pca
        self._encode, self._window = encode, Window(*card.window)

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding."""
        return int(self.card.architecture["embedding_dim"])

    def prepare(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Cut the network's window out of crops and bring it to the network's size.

        Args:
            images: N square face crops as `crop_faces` and a track store give them, (H, W, 3) uint8 RGB, of any size.

        Returns:
            (N, 3, size, size) float32 RGB in [0, 1].

        Raises:
            InputError: an image is not (H, W, 3) uint8.
        """
        cut = np.empty((len(images), self.card.size, self.card.size, 3), dtype=np.uint8)
        for i, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise InputError(f"expected crops (H, W, 3) uint8 RGB; number {i} is {image.shape} {image.dtype}")
            cut[i] = view(image, self._window, self.card.size)
        return np.ascontiguousarray(cut.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)

    def embed(self, images: Sequence[np.ndarray], *, batch_size: int = 64) -> np.ndarray:
        """Embed face crops.

        Args:
            images: N square face crops, (H, W, 3) uint8 RGB, of any size.
            batch_size: crops at once.

        Returns:
            (N, D) float32 embeddings, before any activation.

        Raises:
            InputError: an image is not (H, W, 3) uint8.
        """
        parts = [
            self._encode(self.prepare(images[first : first + batch_size]))
            for first in range(0, len(images), batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.embedding_dim), dtype=np.float32)


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
        from fabnet.embedding.baselines import load_baseline

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
