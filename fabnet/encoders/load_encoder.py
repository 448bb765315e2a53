"""Loads an encoder by the name or path of its model, on ONNX Runtime or torch."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from fabnet.encoders.baselines.registry import is_baseline, load_baseline
from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder, Precision
from fabnet.encoders.face_reader import FaceReader, load_face_reader
from fabnet.encoders.onnx_encoder import onnx_encoder
from fabnet.encoders.torch_encoder import torch_encoder
from fabnet.errors import InputError, ModelError
from fabnet.files.places import as_place
from fabnet.models.find_model import best_checkpoint, find_model, onnx_name
from fabnet.models.hub import is_hub_name
from fabnet.models.model_folder import INT8_FILE, ONNX_FILE, READER_FILE, ModelCard, read_card
from fabnet.weights import shipped_models

__all__ = ["carried_reader", "load", "load_for_reading", "pinned"]

Backend = Literal["auto", "onnx", "torch"]


def load(
    model: str | Path = "small", *, backend: Backend = "auto", device: str = "auto", precision: Precision = "auto"
) -> Embedder:
    """Load an encoder.

    Args:
        model: a shipped name, a run folder, a checkpoint, a model folder or its `.onnx` file; "hf:OWNER/NAME" or
            "hf:OWNER/NAME@REVISION", a model folder on the Hugging Face Hub, which is downloaded once; or a baseline's
            name (`fabnet.encoders.baselines`): "mean", "pixels", "random", "random:SEED", "dlib-identity",
            "vgg-face:FILE", "timm:NAME". A folder that has such a name is reached as "./pixels", or as a `Path`.
        backend: "onnx" (ONNX Runtime), "torch", or "auto": ONNX Runtime where the model has been exported and no
            CUDA device is asked for, or torch is not installed; else torch.
        device: "auto", "cpu", "cuda" or "cuda:N". ONNX Runtime needs the package onnxruntime-gpu for CUDA, and takes
            the CPU for "auto".
        precision: what torch calculates a model in: "float32", "bfloat16", or "auto": bfloat16 on a CPU with
            instructions for it (AVX-512 BF16), which is twice as fast and hardly less exact (docs/performance.md),
            else float32, also on CUDA. ONNX Runtime calculates in what the file holds; baselines in float32.

    Returns:
        The encoder, ready to `embed`. A pickle of it holds the name of its model and no weights: it is loaded again
        where it is unpickled, as in a worker process.

    Raises:
        ModelError: there is no such model, it is corrupt, its file is asked for bfloat16, or an int8 file for CUDA.
        MissingDependencyError: the backend, or what a model of the hub needs, is not installed.
    """
    if isinstance(model, str) and model not in shipped_models():
        baseline = load_baseline(model, device=device)
        if baseline is not None:
            baseline.origin = (_load_again, (model, "auto", device, "auto", None))
            return baseline
    folder = find_model(model)
    card = read_card(folder)
    file = folder / (onnx_name(model) or ONNX_FILE)
    has_onnx = file.is_file()
    if backend == "onnx" and not has_onnx:
        raise ModelError(f"{folder} has no {ONNX_FILE}; make one with fabnet export, or use backend torch")
    is_on_cpu = device in ("auto", "cpu")
    wants_onnx = backend == "onnx" or (
        backend == "auto" and precision != "bfloat16" and (is_on_cpu or find_spec("torch") is None)
    )
    if wants_onnx and has_onnx:
        if precision == "bfloat16":
            raise ModelError(f"{file} is float32 or int8 and cannot run in bfloat16; use backend torch for that")
        if not is_on_cpu and (file.name == INT8_FILE or card.training.get("precision") == "int8"):
            raise ModelError(f"{file} is int8, which is for CPUs: use --device cpu, or the model in float32")
        encoder = Embedder(
            card, onnx_encoder(file, card, device=device), "onnx", precision=card.training.get("precision", "float32"),
            is_single_threaded=True, read_reader=partial(carried_reader, model),
        )  # fmt: skip
    else:
        made = torch_encoder(folder, device, precision)
        encoder = Embedder(
            card, made.encode, "torch", precision=made.precision, is_single_threaded=made.is_single_threaded,
            read_reader=partial(carried_reader, folder),
        )  # fmt: skip
    place = file if encoder.backend == "onnx" and onnx_name(model) else folder
    source = model if str(model) in shipped_models() else place.absolute()
    kept = "auto" if encoder.backend == "onnx" else encoder.precision
    encoder.origin = (_load_again, (source, encoder.backend, device, kept, card))
    return encoder


def load_for_reading(model: str | Path, *, device: str = "auto") -> Embedder:
    """Load the encoder that reads attributes: in int8 on the CPU, if the model's folder has it in int8.

    It takes a quarter of the time, and what is read off it hardly differs (docs/performance.md).

    Args:
        model: as in `load`.
        device: as in `load`; on CUDA, the encoder computes in float32.

    Raises:
        ModelError: see `load`.
        MissingDependencyError: see `load`.
    """
    is_baselines = isinstance(model, str) and is_baseline(model)
    if device in ("auto", "cpu") and not is_baselines and onnx_name(model) is None:
        folder = find_model(model)
        file = folder / INT8_FILE
        if file.is_file():
            card, source = read_card(folder), model if str(model) in shipped_models() else folder.absolute()
            encoder = Embedder(
                card, onnx_encoder(file, card), "onnx", precision="int8", is_single_threaded=True,
                read_reader=partial(carried_reader, folder),
            )  # fmt: skip
            encoder.origin = (load_for_reading, (source,))
            return encoder
    return load(model, device=device)


def pinned(model: str | Path) -> str | Path:
    """The checkpoint that a run's name stands for now; any other model as it is given.

    While a run trains, its best checkpoint changes, and what is loaded and what is noted of it must be the same one.

    Raises:
        ModelError: the run has no checkpoint, or one is corrupt.
    """
    is_name = isinstance(model, str) and (model in shipped_models() or is_baseline(model) or is_hub_name(model))
    return model if is_name or not (as_place(model) / "checkpoints").is_dir() else best_checkpoint(as_place(model))


def _load_again(
    model: str | Path, backend: Backend, device: str, precision: Precision, card: ModelCard | None
) -> Embedder:
    """Load an encoder again from its pickle.

    Raises:
        ModelError: its model has been moved or replaced.
    """
    encoder = load(model, backend=backend, device=device, precision=precision)
    if card is not None and encoder.card != card:
        raise ModelError(f"{model} has been replaced since this encoder was loaded: load it again")
    return encoder


def carried_reader(model: str | Path) -> FaceReader | None:
    """Load the face reader in a model's folder; None if there is none.

    Args:
        model: see `fabnet.load`.

    Raises:
        InputError: its file is corrupt, or was fitted on another encoder.
        ModelError: there is no such model.
    """
    if isinstance(model, str) and model not in shipped_models() and is_baseline(model):
        return None
    file = find_model(model) / READER_FILE
    if not file.is_file():
        return None
    reader = load_face_reader(file)
    if reader.model != model_digest(model):
        raise InputError(f"{file} was fitted on another encoder than the one beside it; take both from one release")
    return reader
