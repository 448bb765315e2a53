"""FAb-Net's encoder before training, to show what the architecture and the crop alone contribute."""

from __future__ import annotations

import numpy as np

from fabnet.encoders.baselines.card import SMALL_SIZE, baseline_card
from fabnet.encoders.embedder import Embedder
from fabnet.runtime.packages import package_folder

__all__ = ["load_untrained"]

WIDTH, EMBEDDING_DIM = 32, 256


def load_untrained(seed: int = 0, *, device: str = "auto") -> Embedder:
    """Make the encoder of the preset small (64 px, width 32) with random weights.

    Its batch-norms are in eval mode with their initial statistics (mean 0, variance 1), so that a face's embedding
    depends on no other face. The weights are torch's default initialisation, drawn on the CPU.

    Args:
        seed: seed of the weights.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        MissingDependencyError: torch is not installed.
    """
    package_folder("torch", needed_by="the baseline random", install="pip install 'fabnet[train]'")
    import torch

    from fabnet.models.encoder import Encoder
    from fabnet.training.device import choose_device

    torch_device = choose_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        encoder = Encoder(SMALL_SIZE, WIDTH, EMBEDDING_DIM)
    encoder = encoder.to(torch_device).eval()

    def encode(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(encoder(torch.from_numpy(images).to(torch_device)).cpu().numpy())

    return Embedder(baseline_card("random", SMALL_SIZE, EMBEDDING_DIM, seed=seed), encode, "torch")
