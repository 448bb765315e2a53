"""Static int8 quantisation of an exported encoder, calibrated on real crops.

ONNX Runtime quantises. Written by hand are the choice of crops, the layer that stays float32 and the comparison: a
wrapper such as Optimum calls the same function, and would bring in transformers.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.last_convolutions import end_of
from fabnet.errors import InputError
from fabnet.faces.window import decode_jpeg
from fabnet.files.folder import FolderScan, natural
from fabnet.files.limits import read_bytes
from fabnet.store.chosen import Chosen, ChosenRows
from fabnet.store.evenly import evenly
from fabnet.store.track_store import is_store, open_store

__all__ = ["parity", "quantize", "read_crops"]

MOST_CROPS, FEWEST_CROPS = 512, 8
BATCH = 32


def read_crops(source: Path, encoder: Embedder) -> list[np.ndarray]:
    """Read face crops for calibration and comparison: at most 512, evenly spaced.

    Args:
        source: a folder of crops, or a track store (its training rows, if it has splits).
        encoder: the encoder that they are for.

    Returns:
        Crops, (H, W, 3) uint8 RGB.

    Raises:
        InputError: fewer than 8 can be read.
    """
    crops = []
    for data in _files(source):
        try:
            crops.append(np.ascontiguousarray(decode_jpeg(data, min_side=encoder.sharp_side)[:, :, ::-1]))
        except InputError:
            continue
    if len(crops) < FEWEST_CROPS:
        raise InputError(
            f"{source} has {len(crops)} readable face crops; int8 needs {FEWEST_CROPS} or more for calibration, "
            "ideally hundreds of many people"
        )
    return crops


def _files(source: Path) -> list[bytes]:
    if not is_store(source):
        if not source.exists():
            raise InputError(f"no such file or folder: {source}")
        if not source.is_dir():
            raise InputError(f"{source} is neither a folder of face crops nor a track store; give one of these")
        scanned = FolderScan(source)
        pictures = [entry for entry in scanned.walk() if scanned.kind(entry) == "image"]
        files = [entry.path for entry in sorted(pictures, key=lambda entry: natural(entry.name))]
        return [read_bytes(files[i]) for i in evenly(len(files), MOST_CROPS)]
    store = open_store(source)
    if not store.num_rows:
        return []
    has_training = len(store.spans("train", min_frames=1)[0]) > 0
    rows = ChosenRows(store, Chosen("train" if has_training else None, sample=None, seed=0))
    return store.read_images(rows.at(evenly(len(rows), MOST_CROPS)))


def quantize(exported: Path, out: Path, images: np.ndarray) -> None:
    """Quantise an exported encoder to int8: activations per tensor, weights per channel.

    Weights have seven bits, so that sums of products fit into 16 bits: processors without instructions for int8
    (VNNI) would otherwise saturate and give other numbers.

    Args:
        exported: an ONNX file of `export_onnx`.
        out: the ONNX file to write. The last convolution of each look, which gives the embedding, stays float32, which
            is as fast and halves the error, and so does what is done to the pixels before the first.
        images: (N, 3, size, size) float32 RGB in [0, 1], which determine the ranges.
    """
    importlib.import_module("fabnet.runtime.onnx_runtime")  # first, because it turns telemetry off
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Batches(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[np.ndarray] = iter(np.array_split(images, -(-len(images) // BATCH)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch}

    kept = _kept_nodes(onnx.load(exported).graph)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it advises a preprocessing that has no effect on these networks
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize_static(
                exported, out, Batches(), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                nodes_to_exclude=sorted(kept),
            )  # fmt: skip
    finally:
        logging.getLogger().setLevel(level)


def _kept_nodes(graph: Any) -> set[str]:
    """Names of the nodes that stay float32: all before the first convolutions, and the last ones with all after."""
    kept = end_of(graph)
    of_pixels = {"", *(each.name for each in (*graph.input, *graph.initializer))}
    for node in graph.node:
        if node.op_type != "Conv" and of_pixels.issuperset(node.input):
            kept.add(node.name)
            of_pixels.update(node.output)
    return kept


def parity(exact: np.ndarray, rounded: np.ndarray) -> dict[str, float]:
    """Compare embeddings of two precisions.

    Args:
        exact: (N, D) float.
        rounded: (N, D) float, of the same faces.

    Returns:
        `cosine`, the mean over faces, and `lowest_cosine`; `centred_cosine`, the mean cosine after subtracting the
        mean of the exact embeddings from both, so that only differences between faces count; `max_difference`, the
        largest absolute difference of a number.
    """
    cosines, centred = _cosines(exact, rounded), _cosines(exact - exact.mean(axis=0), rounded - exact.mean(axis=0))
    return {
        "cosine": round(float(cosines.mean()), 6),
        "lowest_cosine": round(float(cosines.min()), 6),
        "centred_cosine": round(float(centred.mean()), 6),
        "max_difference": float(np.abs(exact - rounded).max()),
    }


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((left * right).sum(axis=1) / np.maximum(lengths, 1e-12))
