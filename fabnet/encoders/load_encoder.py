"""From the name or path of a model to an encoder, on ONNX Runtime or torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fabnet.encoders.baselines.registry import load_baseline
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.onnx_graph import check_graph
from fabnet.encoders.saved_probe import carried_probes
from fabnet.errors import MissingDependencyError, ModelError, first_line
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import CONFIG_FILE, ONNX_FILE, ModelCard, read_card
from fabnet.weights import shipped_models

if TYPE_CHECKING:
    from fabnet.encoders.inference import Precision

__all__ = ["load", "onnx_encoder"]

Backend = Literal["auto", "onnx", "torch"]
FIRST_CALL_S = 60.0
"""Time that an encoder may take for one picture when it is loaded."""


def load(
    model: str | Path = "small", *, backend: Backend = "auto", device: str = "auto", precision: Precision = "auto"
) -> Embedder:
    """Load an encoder.

    Args:
        model: a shipped name, a run folder, a checkpoint, a model folder or its `.onnx` file; "hf:OWNER/NAME" or
            "hf:OWNER/NAME@REVISION", a model folder on the Hugging Face Hub, which is downloaded once; or a baseline's
            name (`fabnet.embedding.baselines`): "mean", "pixels", "random", "random:SEED", "dlib-identity",
            "vgg-face:FILE", "timm:NAME". A folder that has such a name is reached as "./pixels", or as a `Path`.
        backend: "onnx" (ONNX Runtime), "torch", or "auto": ONNX Runtime where the model has been exported and no
            CUDA device is asked for, else torch.
        device: for torch: "auto", "cpu", "cuda" or "cuda:N".
        precision: what torch calculates a model in: "float32", "bfloat16", or "auto": bfloat16 on a CPU with
            instructions for it (AVX-512 BF16), which is twice as fast and hardly less exact (docs/performance.md),
            else float32. ONNX Runtime calculates in what the file holds; baselines in float32.

    Returns:
        The encoder, ready to `embed`. A pickle of it holds the name of its model and no weights: it is loaded again
        where it is unpickled, as in a worker process.

    Raises:
        ModelError: there is no such model, it is damaged, or its ONNX file is asked for bfloat16.
        MissingDependencyError: the backend, or what a model of the hub needs, is not installed.
    """
    if isinstance(model, str) and model not in shipped_models():
        baseline = load_baseline(model, device=device)
        if baseline is not None:
            baseline.origin = (_load_again, (model, "auto", device, "auto", None))
            return baseline
    folder = find_model(model)
    card = read_card(folder)
    file = folder / (Path(model).name if Path(model).suffix == ".onnx" else ONNX_FILE)
    has_onnx = file.is_file()
    if backend == "onnx" and not has_onnx:
        raise ModelError(f"{folder} has no {ONNX_FILE}; make one with fabnet export, or use backend torch")
    wants_onnx = backend == "onnx" or (backend == "auto" and precision != "bfloat16" and device in ("auto", "cpu"))
    if wants_onnx and has_onnx:
        if precision == "bfloat16":
            raise ModelError(f"{file} holds float32 or int8 and is not run in bfloat16; use backend torch for that")
        encoder = Embedder(
            card, onnx_encoder(file, card), "onnx", precision=card.training.get("precision", "float32"),
            is_single_threaded=True, read_probes=partial(carried_probes, model),
        )  # fmt: skip
    else:
        encoder = _on_torch(card, folder, device, precision)
    place = file if encoder.backend == "onnx" and Path(model).suffix == ".onnx" else folder
    source = model if str(model) in shipped_models() else place.absolute()
    kept = "auto" if encoder.backend == "onnx" else encoder.precision
    encoder.origin = (_load_again, (source, encoder.backend, device, kept, card))
    return encoder


def _load_again(
    model: str | Path, backend: Backend, device: str, precision: Precision, card: ModelCard | None
) -> Embedder:
    """Load the encoder that was pickled.

    Raises:
        ModelError: its model is not where it was, or another one is there by now.
    """
    encoder = load(model, backend=backend, device=device, precision=precision)
    if card is not None and encoder.card != card:
        raise ModelError(f"{model} has been replaced since this encoder was loaded: load it again")
    return encoder


def onnx_encoder(file: Path, card: ModelCard) -> Callable[[np.ndarray], np.ndarray]:
    """An encoder's ONNX file as a function: (B, 3, size, size) float32 RGB in [0, 1] to (B, D) float32.

    Args:
        file: the ONNX file.
        card: of its model, whose size and D it must have.

    Raises:
        ModelError: it cannot be loaded, or is of another size or D; of the function: it cannot be run.
    """
    from fabnet.runtime.onnx_runtime import is_beyond_memory, limited_options, onnxruntime

    check_graph(file)
    options = limited_options()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],  # it would calculate before any limit of time holds
        )  # fmt: skip
    except Exception as error:  # onnxruntime's own exceptions share no narrower base
        raise ModelError(f"{file} cannot be loaded: {first_line(error)}") from None

    given = {each.name: list(each.shape)[1:] for each in session.get_inputs()}
    made = [list(each.shape)[1:] for each in session.get_outputs()]
    size, embedding_dim = card.size, card.architecture["embedding_dim"]
    if given != {"images": [3, size, size]} or made != [[embedding_dim]]:
        raise ModelError(
            f"{file} takes {given} and gives {made}; its {CONFIG_FILE} says images {[3, size, size]} and "
            f"{embedding_dim} numbers: export it again"
        )

    def encode(images: np.ndarray, how: Any = None) -> np.ndarray:
        try:
            return np.asarray(session.run(None, {"images": images}, how)[0])
        except Exception as error:  # likewise
            if is_beyond_memory(error):
                raise ModelError(f"{file} takes more memory than an encoder may (4 GB): it cannot be used") from None
            raise ModelError(f"{file} cannot be run: {first_line(error)}") from None

    _try(file, encode, onnxruntime.RunOptions(), size)
    return encode


def _try(file: Path, encode: Callable[..., np.ndarray], how: Any, size: int) -> None:
    """See that a network embeds a grey picture in good time, and that the numbers are finite."""
    timer = Timer(FIRST_CALL_S, setattr, (how, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        made = encode(np.full((1, 3, size, size), 0.5, dtype=np.float32), how)
    except ModelError:
        if how.terminate:
            raise ModelError(
                f"{file} takes more than {FIRST_CALL_S:.0f} s for one picture; expected a fraction of a second"
            ) from None
        raise
    finally:
        timer.cancel()
    if not np.isfinite(made).all():
        raise ModelError(
            f"{file} gives numbers that are not finite (NaN or infinity) for a grey picture: it is damaged"
        )


def _require_torch(what: str) -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingDependencyError(f"loading {what} needs torch: pip install 'fabnet[train]'")


def _on_torch(card: ModelCard, folder: Path, device: str, precision: Precision) -> Embedder:
    _require_torch(str(folder))
    import torch

    from fabnet.encoders.inference import choose_precision, for_inference
    from fabnet.objectives.model_io import load_objective
    from fabnet.training.device import choose_device

    place = choose_device(device)
    dtype = choose_precision(precision, place)
    objective, _ = load_objective(folder, place)
    encoder = for_inference(objective.get_submodule("encoder"), place, dtype)
    on_cpu, num_threads = place.type == "cpu", torch.get_num_threads()

    def encode(images: np.ndarray) -> np.ndarray:
        if on_cpu:
            torch.set_num_threads(1)  # of this thread: the other cores have batches of their own
        try:
            with torch.inference_mode():
                return np.asarray(encoder(torch.from_numpy(images).to(place)).cpu().numpy())
        finally:
            if on_cpu:
                torch.set_num_threads(num_threads)

    name = "bfloat16" if dtype == torch.bfloat16 else "float32"
    return Embedder(
        card, encode, "torch", precision=name, is_single_threaded=on_cpu, read_probes=partial(carried_probes, folder)
    )
