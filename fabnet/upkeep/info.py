"""`fabnet info`: the contents of a store, a dataset or table of faces, a run, a model or a probe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fabnet.errors import InputError, ModelError
from fabnet.files.limits import MAX_CONFIG_BYTES, read_text
from fabnet.files.places import as_place, fetched, is_remote
from fabnet.models.hub import download, is_hub_name
from fabnet.models.model_folder import AUTHORS_SUFFIXES, CONFIG_FILE, ONNX_FILE, READER_FILE, WEIGHTS_FILE, read_card
from fabnet.upkeep.counting import MOST_ROWS, count_names
from fabnet.upkeep.origin import origin, types_of, written
from fabnet.upkeep.tables import TABLES, table_info
from fabnet.weights import shipped_models

__all__ = ["info"]

EXPECTED = "a store, a dataset or table of faces, a run, a model or a probe"


def info(path: str | Path) -> dict[str, Any]:
    """Say what lies at a path. Memory does not grow with its size.

    Args:
        path: a track store; an embeddings dataset; a .parquet, .csv or .npy file of `read`, `courses` or `embed`; a
            run; a checkpoint or model folder, the name of a shipped model, or one of the hub (`hf:OWNER/NAME`); a file
            of `probe --save`.

    Returns:
        `kind` ("store", "embeddings", "readings", "courses", "run", "model" or "probe") and what is known of it: where
        it applies `rows`, `faces`, `people`, `videos`, `tracks`, `columns` (types by name), `model`, `model_digest`,
        `command`, `options`, `written` (UTC). Plain values, ready for JSON; a count that is None is too large to make.

    Raises:
        InputError: there is nothing there, or fabnet did not write it, or it is corrupt.
        StoreError: a store or dataset is damaged or of another version.
        ModelError: a run or model is damaged.
    """
    shipped = shipped_models()
    found = download(str(path)) if is_hub_name(path) else shipped.get(str(path)) or as_place(path)
    if not found.exists():
        raise InputError(f"there is nothing at {path}; expected {EXPECTED}; models that ship: {', '.join(shipped)}")
    if found.suffix.lower() in TABLES and not found.is_dir():
        return table_info(found)
    if found.suffix == ".safetensors" and found.is_file():
        return _probe_info(found)
    if found.suffix in (".onnx", *AUTHORS_SUFFIXES) and found.is_file():
        return _model_info(found, found)
    if (found / "_versions").exists():
        return _dataset_info(found)
    if (found / "checkpoints").is_dir():
        return _run_info(found)
    if (found / CONFIG_FILE).is_file():
        return _model_info(found, str(path) if str(path) in shipped else found)
    raise InputError(f"{path} is not something that fabnet wrote; expected {EXPECTED}")


def _dataset_info(path: Path) -> dict[str, Any]:
    """A store, or an embeddings dataset."""
    from fabnet.retrieval.gallery import Gallery
    from fabnet.store.schema import ROW_SCHEMA
    from fabnet.store.summary import store_summary
    from fabnet.store.track_store import is_store, open_store

    if is_store(path):
        store = open_store(path)
        return {"kind": "store", **store_summary(store).to_json(), "written": written(store.changed_at),
                "columns": types_of(ROW_SCHEMA)}  # fmt: skip
    gallery = Gallery(path)
    count = gallery.num_rows
    counts: dict[str, Any] = {"rows": count}
    if count <= MOST_ROWS:
        names = {"person": "identity", "video": "video", "track": "track", "reason": "reason"}
        counts = count_names(gallery.scan(list(names.values())), **names)
    return {
        "kind": "embeddings", "path": str(path), "format": "lance", "written": written(gallery.changed_at), **counts,
        "embedding_dim": gallery.embedding_dim, "has_thumbnails": gallery.has_thumbnails, "index": gallery.index,
        **origin(gallery.about, "embeddings"), "columns": types_of(gallery.fields),
        **({"notes": gallery.notes} if gallery.notes else {}),
    }  # fmt: skip


def _run_info(run: Path) -> dict[str, Any]:
    from fabnet.models.find_model import best_checkpoint, latest_checkpoint
    from fabnet.training.checkpoint import read_state
    from fabnet.training.train import RUN_FILE, read_run

    config, store = read_run(run)
    latest, best = latest_checkpoint(run), best_checkpoint(run)
    state = read_state(latest)
    by = json.loads(read_text(run / RUN_FILE, MAX_CONFIG_BYTES)).get("fabnet")
    return {
        "kind": "run",
        "path": str(run),
        "store": str(store),
        **({"fabnet_version": str(by)} if by else {}),
        "written": written(latest / CONFIG_FILE),
        "step": state.step,
        "total_steps": state.total_steps,
        "pairs_seen": state.pairs_seen,
        "val_loss": state.val_loss,
        "val_loss_unwarped": state.val_loss_unwarped,
        "best_checkpoint": str(best),
        **_digest_of(best),
        **_reader_info(best),
        "config": config.to_json(),
    }


def _model_info(folder: Path, model: str | Path) -> dict[str, Any]:
    """A model.

    Args:
        folder: its folder, or an .onnx file in one, or a file of the authors.
        model: its name for `model_digest`.
    """
    file = folder if folder.is_file() else None
    folder = folder.parent if folder.suffix == ".onnx" else folder
    card = read_card(folder)
    return {
        "kind": "model",
        "path": str(file or folder),
        **_digest_of(model),
        "written": written(file or folder / CONFIG_FILE),
        "objective": card.objective,
        **card.architecture,
        "window": list(card.window),
        "crop": card.crop,
        "has_onnx": (file or folder / ONNX_FILE).is_file() and folder.is_dir(),
        "training": card.training,
        **_reader_info(folder),
    }


def _digest_of(model: str | Path) -> dict[str, str]:
    """The digest of a model; nothing for one in an object store, which would have to be copied first."""
    from fabnet.encoders.digest import model_digest

    if is_remote(model):
        return {}
    try:
        return {"model_digest": model_digest(model)}
    except FileNotFoundError:
        raise ModelError(f"{model} has neither {WEIGHTS_FILE} nor {ONNX_FILE}: take it again from its source") from None


def _reader_info(folder: Path) -> dict[str, Any]:
    """The face reader in a model's folder: which attributes it reads, how well, and what taught it."""
    from fabnet.encoders.face_reader import load_face_reader

    file = folder / READER_FILE
    if not file.is_file():
        return {}
    reader = load_face_reader(fetched(folder, only={READER_FILE}) / READER_FILE if is_remote(folder) else file)
    said: dict[str, Any] = {"reader": {"version": reader.version, **reader.errors}}
    if reader.taught is not None:
        said["taught"] = {name: value for name, value in reader.taught.items() if name != "agreement"}
        said["agreement"] = reader.taught.get("agreement")
    return said | {"attributes": types_of(reader.fields())}


def _probe_info(file: Path) -> dict[str, Any]:
    """A file of probes that `probe --save` wrote, or the face reader of a model."""
    from fabnet.encoders.saved_probe import load_probes

    probes = load_probes(file)
    return {
        "kind": "probe",
        "path": str(file),
        "written": written(file),
        "model_digest": ", ".join(dict.fromkeys(probe.model for probe in probes)),
        "tasks": {probe.task: f"{probe.kind}, fitted on {probe.source}" for probe in probes},
        "columns": types_of(field for probe in probes for field in probe.fields()),
    }
