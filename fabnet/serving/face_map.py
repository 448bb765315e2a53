"""A map of all faces: their embeddings in two dimensions, computed once and kept beside the dataset.

Letters: N rows, D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np

from fabnet.errors import InputError, OutputError
from fabnet.output import written_whole
from fabnet.retrieval.gallery import Gallery
from fabnet.serving.catalogue import Catalogue

__all__ = ["FaceMap", "pca"]

MAX_UMAP_FACES = 200_000


class FaceMap:
    """Where each face lies on a map.

    Args:
        catalogue: the faces.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._lock = catalogue, Lock()
        self._known: dict[str, np.ndarray] = {}

    @property
    def methods(self) -> list[str]:
        """ "pca", and "umap" where it is installed and the faces are not too many for it."""
        has_umap = find_spec("umap") is not None and len(self._catalogue.faces) <= MAX_UMAP_FACES
        return ["pca", *(["umap"] if has_umap else [])]

    def places(self, method: str) -> np.ndarray:
        """(N, 2) float32 x, y of each row in -1 to 1, NaN without a face.

        Raises:
            InputError: there is no such method here.
        """
        if method not in self.methods:
            raise InputError(f"there is no map by {method!r}; there is {', '.join(self.methods)}")
        with self._lock:
            if method not in self._known:
                self._known[method] = self._read(method)
            return self._known[method]

    def _read(self, method: str) -> np.ndarray:
        gallery, shape = self._catalogue.gallery, (self._catalogue.num_rows, 2)
        file = gallery.full_path.with_name(f"{gallery.full_path.name}.{method}-{self._catalogue.version}.npy")
        places = _kept(file, shape)
        if places is None:
            places = np.full(shape, np.nan, dtype=np.float32)
            places[self._catalogue.faces] = _framed(pca(gallery) if method == "pca" else _umap(gallery))
            with suppress(OutputError), written_whole(file) as partial, partial.open("wb") as opened:
                np.save(opened, places, allow_pickle=False)
        return places


def pca(gallery: Gallery) -> np.ndarray:
    """The embeddings, each at length 1, along the two directions in which they differ most.

    Args:
        gallery: with embeddings; they are read twice, and never all in memory.

    Returns:
        (faces, 2) float32, in the order of their rows.
    """
    dim = gallery.embedding_dim
    count, total, products = 0, np.zeros(dim), np.zeros((dim, dim))
    for block in _directions(gallery):
        count, total, products = count + len(block), total + block.sum(axis=0), products + block.T @ block
    mean = total / count
    _, axes = np.linalg.eigh(products / count - np.outer(mean, mean))
    axes = np.pad(axes[:, ::-1][:, :2], ((0, 0), (0, max(0, 2 - dim))))  # one number has no second direction
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)  # the same way up each time
    return np.concatenate([(block - mean) @ axes for block in _directions(gallery)]).astype(np.float32)


def _umap(gallery: Gallery) -> np.ndarray:
    import umap

    embeddings = np.concatenate(list(_directions(gallery))).astype(np.float32)
    num_neighbours = max(2, min(15, len(embeddings) - 1))
    found = umap.UMAP(n_neighbors=num_neighbours, metric="cosine", random_state=0, n_jobs=1).fit_transform(embeddings)
    return np.asarray(found, dtype=np.float32)


def _directions(gallery: Gallery) -> Iterator[np.ndarray]:
    """The embeddings at length 1, (n, D) float64, a batch at a time."""
    for batch in gallery.scan(["embedding"]):
        block = batch["embedding"].drop_null().flatten().to_numpy().reshape(-1, gallery.embedding_dim)
        yield block.astype(np.float64) / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)


def _framed(places: np.ndarray) -> np.ndarray:
    """Places moved and scaled so that all but the outermost fill -1 to 1, both axes alike."""
    low, high = np.percentile(places, [0.5, 99.5], axis=0)
    return np.asarray((places - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-9), dtype=np.float32)


def _kept(file: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The map in a file; None where there is none, or it is damaged and has to be computed again."""
    try:
        with file.open("rb") as opened:
            places = np.load(opened, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return np.asarray(places) if places.shape == shape and places.dtype == np.float32 else None
