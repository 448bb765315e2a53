"""What tells an encoder from others: a probe fits one encoder only, and features are kept by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fabnet.embedding.baselines import is_baseline
from fabnet.limits import MAX_WEIGHTS_BYTES, open_input
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import ONNX_FILE, WEIGHTS_FILE, read_card
from fabnet.weights import shipped_models

__all__ = ["file_digest", "model_digest"]


def file_digest(file: Path) -> str:
    """SHA-256 of a file of weights."""
    with open_input(file, MAX_WEIGHTS_BYTES) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_digest(model: str | Path) -> str:
    """A hash of a model's weights, network and window; of a baseline its name, with the hash of the file in it.

    An encoder that was exported to ONNX has the digest of the model that it was exported from.

    Args:
        model: as `fabnet.load` takes it.

    Raises:
        ModelError: there is no such model, or it is damaged.
    """
    if isinstance(model, str) and model not in shipped_models() and is_baseline(model):
        _, _, file = model.partition(":")
        return f"{model} {file_digest(Path(file))}" if Path(file).is_file() and file else model
    path = find_model(model)
    card = read_card(path)
    if path.is_file():
        weights = file_digest(path)
    elif (path / WEIGHTS_FILE).is_file():
        weights = file_digest(path / WEIGHTS_FILE)
    else:
        onnx = path / (Path(model).name if Path(model).suffix == ".onnx" else ONNX_FILE)
        weights = str(card.training.get("weights_sha256") or file_digest(onnx))
    network = json.dumps([card.objective, card.architecture, list(card.window)], sort_keys=True)
    return hashlib.sha256(f"{weights} {network}".encode()).hexdigest()
