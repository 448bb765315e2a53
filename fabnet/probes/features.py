"""Features of a benchmark's faces, cached."""

from __future__ import annotations

import hashlib

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
        (N, D) float32.

    Raises:
        InputError: an image is missing or corrupt.
    """
    boxes = crops.crop_px(Window(*encoder.card.window))

    def make() -> np.ndarray:
        parts = []
        with progress("embedding", total=len(boxes), unit="faces") as bar:
            for first in range(0, len(boxes), FACES_AT_ONCE):
                chosen = range(first, min(first + FACES_AT_ONCE, len(boxes)))
                images = [crop_of(read_image(benchmark.images[i]), boxes[i], CropSpec().size) for i in chosen]
                parts.append(encoder.embed(images))
                bar.advance(len(images))
        return np.concatenate(parts)

    if digest is None or cache is None:
        return make()
    where = hashlib.sha256(boxes.tobytes()).hexdigest()
    return cache.array("features", [benchmark.name, digest, where, *benchmark.names, fingerprint(benchmark)], make)


def views(benchmark: Benchmark, crops: FaceCrops, window: Window, size: int) -> np.ndarray:
    """The image of each face as a network sees it.

    Args:
        benchmark: the faces.
        crops: their crops.
        window: window of the network.
        size: side of the network's input in pixels.

    Returns:
        (N, size, size, 3) uint8 RGB.
    """
    boxes = crops.seen_px(window)
    made = np.empty((len(boxes), size, size, 3), dtype=np.uint8)
    with progress("cutting", total=len(boxes), unit="faces") as bar:
        for place, (image, box) in enumerate(zip(benchmark.images, boxes, strict=True)):
            made[place] = crop_of(read_image(image), box, size)
            bar.advance()
    return made
