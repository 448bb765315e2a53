"""A run that goes on: another checkpoint becomes the best."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.models.find_model import STATE_FILE, find_model
from fabnet.models.model_folder import READER_FILE, WEIGHTS_FILE

__all__ = ["better_checkpoint", "loading_while_training"]


def better_checkpoint(run: Path) -> Path:
    """Add a checkpoint with other weights and the lowest loss."""
    checkpoint = shutil.copytree(find_model(run), run / "checkpoints" / "step-00000099")
    (checkpoint / READER_FILE).unlink(missing_ok=True)
    weights = load_file(checkpoint / WEIGHTS_FILE)
    changed = {name: np.asarray(values + np.float32(0.01), values.dtype) for name, values in weights.items()}
    save_file(changed, checkpoint / WEIGHTS_FILE)
    state = json.loads((checkpoint / STATE_FILE).read_text())
    (checkpoint / STATE_FILE).write_text(json.dumps(state | {"val_loss": 0.0}))
    return checkpoint


def loading_while_training(run: Path) -> Callable[..., Embedder]:
    """As `load`; then another checkpoint of the run becomes the best."""

    def loaded(*args: Any, **options: Any) -> Embedder:
        encoder = load(*args, **options)
        assert better_checkpoint(run) == find_model(run)
        return encoder

    return loaded
