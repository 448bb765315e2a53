"""Any frozen, pretrained backbone of timm."""

from __future__ import annotations

import os

import numpy as np

from fabnet.encoders.baselines.card import baseline_card
from fabnet.encoders.embedder import Embedder
from fabnet.errors import ModelError, first_line
from fabnet.runtime.packages import package_folder

__all__ = ["load_timm"]


def load_timm(name: str, *, device: str = "auto") -> Embedder:
    """Load a backbone of timm with its published weights; the embedding is its pooled features before the classifier.

    The preset small's window is resized to the backbone's input and normalised with its mean and standard deviation.
    timm takes the weights from its cache or downloads them.

    Args:
        name: timm's name of the backbone, e.g. "resnet18.a1_in1k".
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        MissingDependencyError: timm is not installed.
        ModelError: timm has no such backbone, or cannot get its weights.
    """
    package_folder("timm", needed_by=f"timm:{name}", install="pip install 'fabnet[timm]'")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # timm asks the hub
    import timm
    import torch

    from fabnet.training.device import choose_device

    torch_device = choose_device(device)
    try:
        network = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # timm's, the hub's and the network's own exceptions share no narrower base
        raise ModelError(
            f"timm:{name} cannot be loaded ({first_line(error)}); timm.list_models(pretrained=True) lists the "
            "backbones, and weights that are not in its cache need a connection"
        ) from None
    network = network.to(torch_device).eval()
    config = timm.data.resolve_model_data_config(network)
    size = int(config["input_size"][-1])
    mean, std = (torch.tensor(config[key], device=torch_device).reshape(1, 3, 1, 1) for key in ("mean", "std"))

    def encode(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            inputs = (torch.from_numpy(images).to(torch_device) - mean) / std
            return np.asarray(network(inputs).float().cpu().numpy())

    embedding_dim = encode(np.zeros((1, 3, size, size), dtype=np.float32)).shape[1]
    return Embedder(baseline_card(f"timm:{name}", size, embedding_dim), encode, "torch")
