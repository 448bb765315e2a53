"""An encoder ready for use, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fabnet.errors import InputError
from fabnet.models.model_folder import ModelCard
from fabnet.sampling.window import Window, view

__all__ = ["Embedder"]


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
