"""A map of all faces: their embeddings in two dimensions, computed once and kept beside the dataset.

Shapes: N rows, D features.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np

from fabnet.errors import InputError, OutputError, StoreError, first_line
from fabnet.files.limits import open_input
from fabnet.files.output import written_whole
from fabnet.retrieval.gallery import Gallery
from fabnet.serving.answers import DOCUMENTED
from fabnet.serving.catalogue import Catalogue

__all__ = ["FaceMap", "MapProgress", "pca"]

MAX_UMAP_FACES = 200_000
FURTHEST = 1e6
"""Upper bound of the coordinates on a map."""


@dataclass(frozen=True, slots=True)
class MapProgress:
    """How far the computation of a map is."""

    __pydantic_config__ = DOCUMENTED

    stage: str
    """What is being done; empty: no map is being computed."""
    share: float | None
    """Share of this stage that is done, 0 to 1; None: unknown."""
    seconds: float
    """Time since the computation began."""


Tell = Callable[[str, float | None], None]
"""Is told the stage and its share."""


class FaceMap:
    """The positions of faces on maps.

    Args:
        catalogue: the faces.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._lock = catalogue, Lock()
        self._known: dict[str, np.ndarray] = {}
        self._stage: tuple[str, float | None] = ("", None)
        self._began_s = 0.0

    def progress(self) -> MapProgress:
        """How far the map that is being computed is."""
        stage, share = self._stage
        return MapProgress(stage, share, time.monotonic() - self._began_s if stage else 0.0)

    @property
    def methods(self) -> list[str]:
        """ "pca", and "umap" if it is installed and there are at most `MAX_UMAP_FACES` faces."""
        has_umap = find_spec("umap") is not None and len(self._catalogue.faces) <= MAX_UMAP_FACES
        return ["pca", *(["umap"] if has_umap else [])]

    def positions(self, method: str) -> np.ndarray:
        """(N, 2) float32 x, y of each row, mostly in -1 to 1; NaN without a face.

        Raises:
            InputError: the method is unknown or not available.
        """
        if method not in self.methods:
            raise InputError(f"there is no map by {method!r}; expected {' or '.join(self.methods)}")
        with self._lock:
            if method not in self._known:
                self._began_s = time.monotonic()
                try:
                    self._known[method] = self._read(method)
                finally:
                    self._stage = ("", None)
            return self._known[method]

    def _tell(self, stage: str, share: float | None) -> None:
        self._stage = (stage, share)

    def _read(self, method: str) -> np.ndarray:
        gallery = self._catalogue.gallery
        file = gallery.full_path.with_name(f"{gallery.full_path.name}.{method}-{self._catalogue.version}.npy")
        positions = _kept(file, self._catalogue.num_rows)
        if positions is None:
            with np.errstate(all="ignore"):  # numbers may be near the limits of float64
                positions = pca(gallery, self._tell) if method == "pca" else _umap(gallery, self._tell)
            with suppress(OutputError), written_whole(file, is_internal=True) as partial:
                partial.write_bytes(_header(len(positions)) + positions.tobytes())
            if not _is_current(gallery):  # people on this map were removed meanwhile
                file.unlink(missing_ok=True)
        return positions


def _is_current(gallery: Gallery) -> bool:
    try:
        return gallery.is_current()
    except StoreError:
        return False


def _silent(stage: str, share: float | None) -> None:
    """Tell nobody."""


def pca(gallery: Gallery, tell: Tell = _silent) -> np.ndarray:
    """Project the embeddings, scaled to length 1, on their first two principal components.

    Args:
        gallery: the dataset; its embeddings are read twice, in batches.
        tell: is told how far it is.

    Returns:
        (N, 2) float32, mostly in -1 to 1; NaN for rows without a finite embedding.
    """
    dim = gallery.embedding_dim
    count, total, products = 0, np.zeros(dim), np.zeros((dim, dim))
    for block in _directions(gallery, tell, "finding the directions"):
        block = block[np.isfinite(block[:, 0])]
        count, total, products = count + len(block), total + block.sum(axis=0), products + block.T @ block
    mean = total / max(count, 1)
    _, axes = np.linalg.eigh(products / max(count, 1) - np.outer(mean, mean))
    axes = np.pad(axes[:, ::-1][:, :2], ((0, 0), (0, max(0, 2 - dim))))  # D = 1 has no second direction
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)  # fixes the arbitrary signs
    blocks = ((block - mean) @ axes for block in _directions(gallery, tell, "placing the faces"))
    return _framed(np.concatenate([np.empty((0, 2)), *blocks]))


def _umap(gallery: Gallery, tell: Tell) -> np.ndarray:
    import umap

    embeddings = np.concatenate([np.empty((0, gallery.embedding_dim)), *_directions(gallery, tell, "reading")]).astype(
        np.float32
    )
    tell("placing the faces", None)
    is_sound = np.isfinite(embeddings[:, 0])
    positions = np.full((len(embeddings), 2), np.nan, dtype=np.float32)
    num_neighbours = max(2, min(15, int(is_sound.sum()) - 1))
    reducer = umap.UMAP(n_neighbors=num_neighbours, metric="cosine", random_state=0, n_jobs=1)
    try:
        positions[is_sound] = reducer.fit_transform(embeddings[is_sound])
    except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:  # too few or identical faces
        raise InputError(f"umap cannot draw a map of these {int(is_sound.sum())} faces: {first_line(error)}") from None
    return _framed(positions)


def _directions(gallery: Gallery, tell: Tell, stage: str) -> Iterator[np.ndarray]:
    """Yield the embeddings of all rows in batches, scaled to length 1, (n, D) float64; NaN if an embedding is missing
    or contains NaN, infinity or nulls."""
    done, total = 0, max(1, gallery.num_rows)
    for batch in gallery.scan(["embedding"]):
        tell(stage, done / total)
        done += len(batch)
        column = batch["embedding"]
        block = np.full((len(column), gallery.embedding_dim), np.nan)
        values = column.flatten().to_numpy(zero_copy_only=False)
        block[column.is_valid().to_numpy(zero_copy_only=False)] = values.reshape(-1, gallery.embedding_dim)
        block[~np.isfinite(block).all(axis=1)] = np.nan
        yield block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)


def _framed(positions: np.ndarray) -> np.ndarray:
    """Shift and scale positions, both axes alike, so that all but the outermost fill -1 to 1."""
    known = positions[np.isfinite(positions[:, 0])]
    if not len(known):
        return positions.astype(np.float32)
    low, high = np.percentile(known, [0.5, 99.5], axis=0)
    return np.asarray((positions - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-9), dtype=np.float32)


def _header(rows: int) -> bytes:
    """The header of an .npy file of (rows, 2) float32."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (rows, 2)})
    return header.getvalue()


def _kept(file: Path, rows: int) -> np.ndarray | None:
    """The map in a file; None if the file is missing or not a valid map, which is then computed again.

    Others may be able to write to the folder. So the file is opened only if it is a regular file of the right size and
    not a symlink, and only numbers are read from it.
    """
    header = _header(rows)
    size = len(header) + 8 * rows
    try:
        if file.is_symlink():
            return None
        with open_input(file, size) as opened:
            data = opened.read(size + 1)
    except (OSError, InputError):
        return None
    if len(data) != size or not data.startswith(header):
        return None
    positions = np.frombuffer(data, "<f4", offset=len(header)).reshape(rows, 2)
    is_drawn = np.abs(positions) < FURTHEST
    return positions if (is_drawn | np.isnan(positions)).all() and is_drawn.any() else None
