"""`fabnet info`: the contents of a store, a run or a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fabnet.errors import InputError
from fabnet.files.places import as_place
from fabnet.models.hub import download, is_hub_name
from fabnet.models.model_folder import CONFIG_FILE, ONNX_FILE, READER_FILE, read_card
from fabnet.weights import shipped_models

__all__ = ["info"]


def info(path: str | Path) -> dict[str, Any]:
    """Say what lies at a path.

    Args:
        path: a track store, a run, a checkpoint or model folder, the name of a shipped model, or one of the hub
            (`hf:OWNER/NAME`).

    Returns:
        `kind` ("store", "run" or "model") and what is known of it; plain values, ready for JSON.

    Raises:
        InputError: there is nothing there, or it is none of these.
        StoreError: a store is damaged or of another version.
        ModelError: a run or model is damaged.
    """
    from fabnet.store.summary import store_summary
    from fabnet.store.track_store import is_store

    shipped = shipped_models()
    found = download(str(path)) if is_hub_name(path) else shipped.get(str(path)) or as_place(path)
    if not found.exists():
        raise InputError(f"no such store, run or model: {path}; models that ship: {', '.join(shipped) or 'none'}")
    if is_store(found):
        return {"kind": "store"} | store_summary(found).to_json()
    if (found / "checkpoints").is_dir():
        return _run_info(found)
    if (found / CONFIG_FILE).is_file():
        return _model_info(found)
    raise InputError(f"{path} is not a track store, a run or a model folder")


def _run_info(run: Path) -> dict[str, Any]:
    from fabnet.models.find_model import best_checkpoint, latest_checkpoint
    from fabnet.training.checkpoint import read_state
    from fabnet.training.train import read_run

    config, store = read_run(run)
    state = read_state(latest_checkpoint(run))
    return {
        "kind": "run",
        "store": str(store),
        "step": state.step,
        "total_steps": state.total_steps,
        "pairs_seen": state.pairs_seen,
        "val_loss": state.val_loss,
        "val_loss_unwarped": state.val_loss_unwarped,
        "best_checkpoint": str(best_checkpoint(run)),
        "config": config.to_json(),
    }


def _model_info(folder: Path) -> dict[str, Any]:
    from fabnet.encoders.face_reader import load_face_reader

    card, file = read_card(folder), folder / READER_FILE
    reader = load_face_reader(file) if file.is_file() else None
    return {
        "kind": "model",
        "path": str(folder),
        "objective": card.objective,
        **card.architecture,
        "window": list(card.window),
        "crop": card.crop,
        "has_onnx": (folder / ONNX_FILE).is_file(),
        "training": card.training,
        **({} if reader is None else {"reader": {"version": reader.version, **reader.errors}}),
    }
