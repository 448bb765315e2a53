"""Features of a benchmark's faces, cached."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.faces import FaceCrops, crop_of, fingerprint, read_image
from fabnet.runtime.progress import progress

__all__ = ["embed_faces", "views"]

FACES_AT_ONCE = 64


def embed_faces(
    encoder: Embedder, benchmark: Benchmark, crops: FaceCrops, *, digest: str | None = None, cache: Cache | None = None
) -> np.ndarray:
    """Embed the faces of a benchmark.

    Args:
        encoder: the encoder.
        benchmark: the faces.
        crops: their crops.
        digest: digest of the model, for the cache; None: nothing is cached.
        cache: cache for the features.

    Returns:
        (N, D) float32; with a cache, memory-mapped and read-only.

    Raises:
        InputError: an image is missing or corrupt.
        OutputError: the cache's disk is full.
    """
    boxes = crops.crop_px(encoder.window)

    def make() -> Iterator[np.ndarray]:
        with progress("embedding", total=len(boxes), unit="faces") as bar:
            for first in range(0, len(boxes), FACES_AT_ONCE):
                chosen = range(first, min(first + FACES_AT_ONCE, len(boxes)))
                images = [crop_of(read_image(benchmark.images[i]), boxes[i], CropSpec().size) for i in chosen]
                yield encoder.embed(images)
                bar.advance(len(images))

    if digest is None or cache is None:
        return Cache(None).matrix("features", [], len(boxes), make)
    where = hashlib.sha256(boxes.tobytes()).hexdigest()
    key = [benchmark.name, digest, where, *benchmark.names, fingerprint(benchmark, cache)]
    return cache.matrix("features", key, len(boxes), make)


def views(benchmark: Benchmark, crops: FaceCrops, window: Window, size: int, cache: Cache) -> np.ndarray:
    """The image of each face as a network sees it.

    Args:
        benchmark: the faces.
        crops: their crops.
        window: window of the network.
        size: side of the network's input in pixels.
        cache: cache for the views.

    Returns:
        (N, size, size, 3) uint8 RGB; memory-mapped and read-only.
    """
    boxes = crops.seen_px(window)

    def make() -> Iterator[np.ndarray]:
        with progress("cutting", total=len(boxes), unit="faces") as bar:
            for image, box in zip(benchmark.images, boxes, strict=True):
                yield crop_of(read_image(image), box, size)[None]
                bar.advance()

    where = hashlib.sha256(boxes.tobytes()).hexdigest()
    key = [benchmark.name, str(size), where, *benchmark.names, fingerprint(benchmark, cache)]
    return cache.matrix("views", key, len(boxes), make)
