"""Finds a model: by its shipped name, in a run's checkpoints, in a model folder or on the hub."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from fabnet.errors import ModelError
from fabnet.files.fields import check_fields
from fabnet.files.limits import MAX_CONFIG_BYTES, read_text
from fabnet.files.places import as_place, fetched, is_remote
from fabnet.models.hub import download, is_hub_name
from fabnet.models.model_folder import AUTHORS_SUFFIXES, CONFIG_FILE, MODEL_FILES
from fabnet.weights import shipped_models

__all__ = ["STATE_FILE", "best_checkpoint", "find_model", "latest_checkpoint", "list_checkpoints", "onnx_name"]

STATE_FILE = "state.json"
"""Training state of a checkpoint; a folder without this file is not a checkpoint."""


def list_checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(file.parent for file in (run / "checkpoints").glob(f"step-*/{STATE_FILE}"))


def latest_checkpoint(run: Path) -> Path:
    """The last checkpoint of a run.

    Raises:
        ModelError: the run has none.
    """
    found = list_checkpoints(run)
    if not found:
        raise ModelError(f"{run} holds no checkpoint; expected checkpoints/step-NNNNNNNN in a folder that train wrote")
    return found[-1]


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of a run with the lowest validation loss; the latest if none was measured.

    Raises:
        ModelError: the run has none, or one is corrupt.
    """
    latest_checkpoint(run)

    def loss(checkpoint: Path) -> float:
        file = checkpoint / STATE_FILE
        try:
            val_loss = json.loads(read_text(file, MAX_CONFIG_BYTES))["val_loss"]
            check_fields({"val_loss": val_loss}, {"val_loss": float | None})
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"{file} cannot be read ({error}); delete that checkpoint to use the others") from None
        return math.inf if val_loss is None else float(val_loss)

    found = list_checkpoints(run)
    # A checkpoint written on interrupt repeats the loss of the last validation, so the first of equals was measured.
    best = min(found, key=loss)
    return best if math.isfinite(loss(best)) else found[-1]


def find_model(model: str | Path) -> Path:
    """The model folder for a name or path.

    Args:
        model: a shipped name, a model folder, a run folder (its best checkpoint), the `encoder.onnx` in a model
            folder, a `.pth` file of the authors' release (returned as it is), or `hf:OWNER/NAME[@REVISION]`,
            which is downloaded.

    Returns:
        The folder; a local copy if the model is in an object store.

    Raises:
        ModelError: no model is found.
        MissingDependencyError: it is on the hub, and huggingface_hub is not installed.
    """
    if is_hub_name(model):
        return download(str(model))
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    path = as_place(model)
    if path.suffix == ".onnx" and path.is_file():
        return _here(path.parent, path.name)
    if path.suffix in AUTHORS_SUFFIXES and path.is_file():
        return fetched(path)
    if (path / "checkpoints").is_dir():
        return _here(best_checkpoint(path))
    if path.is_dir():
        return _here(path)
    names = ", ".join(shipped) or "none ships"
    raise ModelError(
        f"no model {str(model)!r}; expected a shipped name ({names}), a run, a checkpoint, an .onnx file, a .pth "
        "file of the authors or hf:OWNER/NAME"
    )


def onnx_name(model: str | Path) -> str | None:
    """The name of the .onnx file that a model is given by, also in an object store; None if it is given otherwise."""
    name = str(model).replace(os.sep, "/").rpartition("/")[2]
    return name if name.endswith(".onnx") else None


def _here(folder: Path, *more: str) -> Path:
    """A local model folder; from an object store, a copy without the files that only training needs."""
    if is_remote(folder) and not (folder / CONFIG_FILE).is_file():
        raise ModelError(f"{folder} is not a model folder: it has no {CONFIG_FILE}")
    return fetched(folder, only={*MODEL_FILES, *more})
