"""An encoder ready for use, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from fabnet.encoders.saved_probe import SavedProbe
from fabnet.errors import InputError, ModelError
from fabnet.faces.window import Window, view
from fabnet.models.model_folder import ModelCard
from fabnet.runtime.cores import num_cores
from fabnet.runtime.threads import batched, in_threads

__all__ = ["Embedder"]

AT_ONCE_PX = 8 * 256 * 256
"""Pixels in one call of an encoder on a core: what lies between two layers then stays in the core's cache."""


class Embedder:
    """Turns face crops into embeddings.

    Args:
        card: of the model.
        encode: (B, 3, size, size) float32 RGB in [0, 1] to (B, D) float32.
        backend: what `encode` runs on: "onnx" or "torch"; a baseline's own otherwise.
        precision: what it calculates in: "float32", "bfloat16" or "int8".
        is_single_threaded: `encode` keeps to the thread that calls it, and may be called from several at once: batches
            are then spread over the cores. Otherwise one call runs at a time.
        pca: how many principal components, fitted on their training faces, probes take in place of all D numbers;
            None: all.
        read_probes: reads the probes that the model carries; None: it carries none.

    Attributes:
        origin: a function at the top of a module that loads the encoder again, and its arguments: what a pickle or a
            copy of it is made from. None: it cannot be pickled or deep-copied.
    """

    def __init__(
        self,
        card: ModelCard,
        encode: Callable[[np.ndarray], np.ndarray],
        backend: str,
        *,
        precision: str = "float32",
        is_single_threaded: bool = False,
        pca: int | None = None,
        read_probes: Callable[[], list[SavedProbe]] | None = None,
    ) -> None:
        self.card, self.backend, self.precision, self.pca = card, backend, precision, pca
        self._encode, self._window = encode, Window(*card.window)
        self._is_single_threaded, self._turn = is_single_threaded, Lock()
        self._read_probes = read_probes
        self.origin: tuple[Callable[..., Embedder], tuple[Any, ...]] | None = None

    def __reduce__(self) -> tuple[Callable[..., Embedder], tuple[Any, ...]]:
        if self.origin is None:
            raise TypeError("this encoder was not made by fabnet.load, so it cannot be pickled or copied")
        return self.origin

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding."""
        return int(self.card.architecture["embedding_dim"])

    @property
    def sharp_side(self) -> float:
        """A crop with a shorter side, in pixels, has less detail than the network's input."""
        return self.card.size / self._window.side

    @cached_property
    def probes(self) -> list[SavedProbe]:
        """The probes that the model carries, as the shipped ones do; none where it carries none.

        Raises:
            InputError: their file is damaged, or was fitted on another encoder.
        """
        return [] if self._read_probes is None else self._read_probes()

    def required_probes(self) -> list[SavedProbe]:
        """The same, where there must be some.

        Raises:
            ModelError: the model carries none.
            InputError: as `probes`.
        """
        if not self.probes:
            raise ModelError(
                "the model carries no probes to read attributes by: fit some on labelled faces with fabnet probe "
                "--save mine.safetensors, and give embed --probe mine.safetensors in place of --attributes"
            )
        return self.probes

    def attributes(self, embeddings: np.ndarray, crop_boxes_px: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Read pose, landmarks, expression and what else the model carries probes for off embeddings.

        Args:
            embeddings: (N, D) that `embed` gave.
            crop_boxes_px: (N, 4) x0, y0, x1, y1 of the crops in their pictures, as `Face.crop_box_px`.

        Returns:
            By the names of docs/attributes.md, (N,) float32: `pose_yaw_deg`, `expression_happy`, `smile` ...; points
            (N, P, 2) in pixels of the picture; `expression` (N,) strings, the likeliest.

        Raises:
            ModelError: the model carries no probes.
            InputError: the embeddings are of another length, or as `probes`.
        """
        seen_px = self._window.inside(np.array(crop_boxes_px, dtype=np.float64).reshape(-1, 4))
        read = [probe.attributes(embeddings, seen_px) for probe in self.required_probes()]
        return {name: values for columns in read for name, values in columns.items()}

    def prepare(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Cut the network's window out of crops and bring it to the network's size.

        Args:
            images: N square face crops as `crop_faces` and a track store give them, (H, W, 3) uint8 RGB, of any size.

        Returns:
            (N, 3, size, size) float32 RGB in [0, 1].

        Raises:
            InputError: an image is not (H, W, 3) uint8, or is empty.
        """
        _check(images)
        prepared = np.empty((len(images), 3, self.card.size, self.card.size), dtype=np.float32)
        for i, image in enumerate(images):
            cut = view(image, self._window, self.card.size)
            np.divide(cut.transpose(2, 0, 1), np.float32(255), out=prepared[i])
        return prepared

    def embed(self, images: Sequence[np.ndarray], *, batch_size: int = 64) -> np.ndarray:
        """Embed face crops, on all cores.

        Args:
            images: N square face crops, (H, W, 3) uint8 RGB, of any size.
            batch_size: crops at once, at the most: a core takes fewer where they are large.

        Returns:
            (N, D) float32 embeddings, before any activation.

        Raises:
            InputError: an image is not (H, W, 3) uint8, or is empty.
        """
        _check(images)  # here too, where their numbers are the caller's
        share = -(-len(images) // num_cores()) if self._is_single_threaded else len(images)
        batches = batched(images, max(1, min(self.at_once(batch_size), share)))
        parts = list(in_threads(self.embed_batch, batches))
        return np.concatenate(parts) if parts else np.empty((0, self.embedding_dim), dtype=np.float32)

    def at_once(self, batch_size: int) -> int:
        """How many crops `embed_batch` best takes, `batch_size` at the most."""
        return min(batch_size, max(1, AT_ONCE_PX // self.card.size**2)) if self._is_single_threaded else batch_size

    def embed_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Embed face crops in one call of the encoder; for callers with threads of their own.

        Args:
            images: N square face crops, (H, W, 3) uint8 RGB, of any size.

        Returns:
            (N, D) float32 embeddings, before any activation.

        Raises:
            InputError: an image is not (H, W, 3) uint8, or is empty.
        """
        if not len(images):
            return np.empty((0, self.embedding_dim), dtype=np.float32)
        prepared = self.prepare(images)
        with nullcontext() if self._is_single_threaded else self._turn:
            return self._encode(prepared)


def _check(images: Sequence[np.ndarray]) -> None:
    for i, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(f"expected crops (H, W, 3) uint8 RGB; number {i} is {image.shape} {image.dtype}")
