"""An encoder ready for use, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np

from fabnet.encoders.face_reader import FaceReader
from fabnet.errors import InputError, ModelError
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window, view
from fabnet.models.model_folder import ModelCard
from fabnet.runtime.cores import num_cores
from fabnet.runtime.notebook import facts
from fabnet.runtime.threads import batched, in_threads

__all__ = ["Embedder", "Precision"]

Precision = Literal["auto", "float32", "bfloat16"]
"""What torch calculates in; auto: bfloat16 on a processor with instructions for it."""

AT_ONCE_PX = 8 * 256 * 256
"""Pixels per call of an encoder on one core, so that activations fit into the core's cache."""


class Embedder:
    """Turns face crops into embeddings.

    Args:
        card: the model's card.
        encode: function from (B, 3, size, size) float32 RGB in [0, 1] to (B, D) float32.
        backend: backend of `encode`: "onnx", "torch", or a baseline's own.
        precision: precision that it computes in: "float32", "bfloat16" or "int8".
        is_single_threaded: `encode` runs only in the thread that calls it, and several threads may call it at once, so
            that batches are spread over the cores. Otherwise one call runs at a time.
        pca: number of principal components, fitted on their training faces, that probes take instead of all D numbers;
            None: all numbers.
        read_reader: function that loads the model's face reader; None: it has none.

    Attributes:
        window: the part of a crop that the network sees.
        origin: module-level function that loads the encoder again, and its arguments, for pickling and copying. None:
            the encoder cannot be pickled or deep-copied.
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
        read_reader: Callable[[], FaceReader | None] | None = None,
    ) -> None:
        self.card, self.backend, self.precision, self.pca = card, backend, precision, pca
        self._encode, self.window = encode, Window(*card.window)
        self._is_single_threaded, self._turn = is_single_threaded, Lock()
        self._read_reader = read_reader
        self.origin: tuple[Callable[..., Embedder], tuple[Any, ...]] | None = None

    def __reduce__(self) -> tuple[Callable[..., Embedder], tuple[Any, ...]]:
        if self.origin is None:
            raise TypeError("this encoder was not made by fabnet.load, so it cannot be pickled or copied")
        return self.origin

    @property
    def name(self) -> str:
        """The name or path that the model was loaded by; empty if it was not made by `fabnet.load`."""
        return "" if self.origin is None else str(self.origin[1][0])

    def __repr__(self) -> str:
        named = f" {self.name!r}" if self.name else ""
        sizes = f"{self.card.size} px to {self.embedding_dim} numbers"
        return f"<fabnet encoder{named}: {sizes}, {self.backend}, {self.precision}>"

    def _repr_html_(self) -> str:
        training = self.card.training
        rows = [
            ("a face is seen at", f"{self.card.size} x {self.card.size} px"),
            ("and becomes", f"{self.embedding_dim} numbers"),
            ("objective", self.card.objective),
            ("trained for", f"{training['steps']:,} steps" if isinstance(training.get("steps"), int) else None),
            ("runs on", f"{self.backend}, {self.precision}"),
        ]
        return facts(f"encoder {self.name}".strip(), rows)

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding."""
        return int(self.card.architecture["embedding_dim"])

    @property
    def sharp_side(self) -> float:
        """Side in pixels below which a crop has less detail than the network's input."""
        return self.card.size / self.window.side

    @cached_property
    def crop_spec(self) -> CropSpec:
        """How the crops that the model was trained on were cut out; the default if that is unknown.

        Raises:
            InputError: the model's card holds something else.
        """
        return CropSpec.from_json(self.card.crop or {})

    @cached_property
    def reader(self) -> FaceReader | None:
        """What reads attributes off the embeddings of canonical crops; None where the model carries no reader.

        Raises:
            InputError: its file is corrupt, or was fitted on another encoder.
        """
        return None if self._read_reader is None else self._read_reader()

    def required_reader(self) -> FaceReader:
        """`reader`, or an error if there is none.

        Raises:
            ModelError: the model carries no reader.
            InputError: as `reader`.
        """
        if self.reader is None:
            raise ModelError(
                "the model carries no face reader: fabnet teach makes one from your own videos, or use --model base, "
                "which ships"
            )
        return self.reader

    def prepare(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Cut the network's window out of crops and resize it to the network's input.

        Args:
            images: N square face crops from `crop_faces` or a track store, (H, W, 3) uint8 RGB, of any size.

        Returns:
            (N, 3, size, size) float32 RGB in [0, 1].

        Raises:
            InputError: an image is not (H, W, 3) uint8, or is empty.
        """
        _check(images)
        prepared = np.empty((len(images), 3, self.card.size, self.card.size), dtype=np.float32)
        for i, image in enumerate(images):
            cut = view(image, self.window, self.card.size)
            np.divide(cut.transpose(2, 0, 1), np.float32(255), out=prepared[i])
        return prepared

    def embed(self, images: Sequence[np.ndarray], *, batch_size: int = 64) -> np.ndarray:
        """Embed face crops, on all cores.

        Args:
            images: N square face crops, (H, W, 3) uint8 RGB, of any size.
            batch_size: upper bound on the crops per call; large ones are embedded in smaller batches.

        Returns:
            (N, D) float32 embeddings, before any activation.

        Raises:
            InputError: an image is not (H, W, 3) uint8, or is empty.
        """
        _check(images)  # also here, so that the message has the caller's index
        share = -(-len(images) // num_cores()) if self._is_single_threaded else len(images)
        batches = batched(images, max(1, min(self.at_once(batch_size), share)))
        parts = list(in_threads(self.embed_batch, batches))
        return np.concatenate(parts) if parts else np.empty((0, self.embedding_dim), dtype=np.float32)

    def at_once(self, batch_size: int) -> int:
        """Best number of crops per call of `embed_batch`, at most `batch_size`."""
        return min(batch_size, max(1, AT_ONCE_PX // self.card.size**2)) if self._is_single_threaded else batch_size

    def embed_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Embed face crops in one call of the encoder, for callers that use their own threads.

        Args:
            images: N square face crops, (H, W, 3) uint8 RGB, of any size.

        Returns:
            (N, D) float32 embeddings, before any activation.

        Raises:
            InputError: an image is not (H, W, 3) uint8, or is empty.
        """
        if not len(images):
            return np.empty((0, self.embedding_dim), dtype=np.float32)
        return self._embed(self.prepare(images))

    def embed_views(self, views: np.ndarray) -> np.ndarray:
        """Embed windows that were cut already, in one call of the encoder.

        Args:
            views: (N, size, size, 3) uint8 RGB, of the network's size.

        Returns:
            (N, D) float32 embeddings, before any activation.
        """
        if not len(views):
            return np.empty((0, self.embedding_dim), dtype=np.float32)
        prepared = np.empty((len(views), 3, *views.shape[1:3]), dtype=np.float32)
        np.divide(views.transpose(0, 3, 1, 2), np.float32(255), out=prepared)
        return self._embed(prepared)

    def _embed(self, prepared: np.ndarray) -> np.ndarray:
        with nullcontext() if self._is_single_threaded else self._turn:
            return self._encode(prepared)


def _check(images: Sequence[np.ndarray]) -> None:
    for i, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(f"expected crops (H, W, 3) uint8 RGB; number {i} is {image.shape} {image.dtype}")
