"""Digests that identify encoders, because probes and cached features belong to one encoder only."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import numpy as np

from fabnet.encoders.baselines.registry import is_baseline
from fabnet.encoders.onnx_encoder import onnx_encoder
from fabnet.encoders.torch_encoder import torch_encoder
from fabnet.errors import MissingDependencyError
from fabnet.files.limits import MAX_WEIGHTS_BYTES, open_input
from fabnet.models.find_model import find_model, onnx_name
from fabnet.models.model_folder import ONNX_FILE, WEIGHTS_FILE, ModelCard, read_card
from fabnet.weights import shipped_models

__all__ = ["file_digest", "model_digest"]

NUM_TRIED = 4
TOLERANCE = 1e-3
"""Largest absolute difference in the embeddings, the same bound as for an export."""


def file_digest(file: Path) -> str:
    """SHA-256 of a file of weights."""
    with open_input(file, MAX_WEIGHTS_BYTES) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_digest(model: str | Path) -> str:
    """Hash of a model's weights, network and window; for a baseline, its name with the hash of its file.

    An exported ONNX encoder has the digest of its original model, which its `config.json` names. If that is a shipped
    model, the embeddings are compared instead of trusting the file.

    Args:
        model: see `fabnet.load`.

    Raises:
        ModelError: there is no such model, or it is corrupt.
    """
    if isinstance(model, str) and model not in shipped_models() and is_baseline(model):
        _, _, file = model.partition(":")
        return f"{model} {file_digest(Path(file))}" if Path(file).is_file() and file else model
    path = find_model(model)
    card = read_card(path)
    onnx = path / (onnx_name(model) or ONNX_FILE)
    if path.is_file():
        weights = file_digest(path)
    elif (path / WEIGHTS_FILE).is_file():
        weights = file_digest(path / WEIGHTS_FILE)
    else:
        weights = str(card.training.get("weights_sha256") or file_digest(onnx))
    if onnx.is_file() and path not in shipped_models().values() and weights in _shipped_weights():
        weights = weights if _embeds_as(onnx, card, _shipped_weights()[weights]) else file_digest(onnx)
    network = json.dumps([card.objective, card.architecture, list(card.window)], sort_keys=True)
    return hashlib.sha256(f"{weights} {network}".encode()).hexdigest()


@cache
def _shipped_weights() -> dict[str, Path]:
    """Folders of the shipped models by the hash of their weights."""
    return {file_digest(folder / WEIGHTS_FILE): folder for folder in shipped_models().values()}


def _embeds_as(onnx: Path, card: ModelCard, folder: Path) -> bool:
    """Whether an ONNX file embeds random pictures as a shipped model does; False if they cannot be compared."""
    size = int(card.size)
    if size != read_card(folder).size:
        return False
    seed = int.from_bytes(os.urandom(8), "little")  # so that nobody can make a file for known pictures
    images = np.random.default_rng(seed).random((NUM_TRIED, 3, size, size), dtype=np.float32)
    try:
        own = folder / ONNX_FILE
        ships = onnx_encoder(own, card) if own.is_file() else torch_encoder(folder, "cpu", "float32").encode
    except MissingDependencyError:
        return False
    expected, made = ships(images), onnx_encoder(onnx, card)(images)
    return made.shape == expected.shape and float(np.abs(made - expected).max()) <= TOLERANCE
