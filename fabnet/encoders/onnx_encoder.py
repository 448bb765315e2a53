"""Runs an encoder's ONNX file on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from fabnet.encoders.onnx_graph import check_graph
from fabnet.errors import FabnetError, ModelError, first_line
from fabnet.models.model_folder import CONFIG_FILE, ModelCard

__all__ = ["onnx_encoder", "open_session", "run_session"]

FIRST_CALL_S = 60.0
"""Time limit for the first picture, when an encoder is loaded."""


def onnx_encoder(file: Path, card: ModelCard, *, device: str = "cpu") -> Callable[[np.ndarray], np.ndarray]:
    """Load an encoder's ONNX file as a function: (B, 3, size, size) float32 RGB in [0, 1] to (B, D) float32.

    Args:
        file: the ONNX file.
        card: the model's card, with the size and D that the file must have.
        device: "auto", which is the CPU, "cpu", "cuda" or "cuda:N".

    Raises:
        MissingDependencyError: CUDA is asked for, and ONNX Runtime cannot use it here.
        ModelError: the file cannot be loaded, or has another size or D; the function raises it if it cannot be run.
    """
    from fabnet.runtime.onnx_runtime import onnxruntime

    session = open_session(file, device=device)
    given = {each.name: list(each.shape)[1:] for each in session.get_inputs()}
    made = [list(each.shape)[1:] for each in session.get_outputs()]
    size, embedding_dim = card.size, card.architecture["embedding_dim"]
    if given != {"images": [3, size, size]} or made != [[embedding_dim]]:
        raise ModelError(
            f"{file} takes {given} and gives {made}; its {CONFIG_FILE} says images {[3, size, size]} and "
            f"{embedding_dim} numbers: export it again"
        )

    def encode(images: np.ndarray, how: Any = None) -> np.ndarray:
        return run_session(file, session, {"images": images}, how)

    _try(file, encode, onnxruntime.RunOptions(), size)
    return encode


def open_session(file: Path, *, device: str = "cpu") -> Any:
    """Open an ONNX file on one thread of the processor, or on CUDA.

    Args:
        file: the ONNX file.
        device: see `onnx_encoder`.

    Raises:
        MissingDependencyError: see `onnx_encoder`.
        ModelError: the file cannot be loaded.
    """
    from fabnet.runtime.onnx_runtime import limited_options, open_network

    check_graph(file)
    options = limited_options()
    options.intra_op_num_threads = 1
    try:
        # Folding of constants would compute before the time limit applies.
        return open_network(str(file), options, device, disabled_optimizers=["ConstantFolding"])
    except FabnetError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no narrower base
        raise ModelError(f"{file} cannot be loaded: {first_line(error)}") from None


def run_session(file: Path, session: Any, given: dict[str, np.ndarray], how: Any = None) -> np.ndarray:
    """The first output of a session from `open_session`.

    Args:
        file: the network's file, for the message.
        session: the session.
        given: arrays by the names of the network's inputs, of their shapes and types.
        how: ONNX Runtime's `RunOptions`.

    Returns:
        The output, of the shape and type that the network gives it.

    Raises:
        ModelError: it cannot be run.
    """
    from fabnet.runtime.onnx_runtime import is_beyond_memory

    try:
        return np.asarray(session.run(None, given, how)[0])
    except Exception as error:  # no narrower base here either
        if is_beyond_memory(error):
            raise ModelError(f"{file} takes more memory than an encoder may (4 GB): it cannot be used") from None
        raise ModelError(f"{file} cannot be run: {first_line(error)}") from None


def _try(file: Path, encode: Callable[..., np.ndarray], how: Any, size: int) -> None:
    """Check that a network embeds a grey picture within the time limit, and that the numbers are finite."""
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
            f"{file} gives numbers that are not finite (NaN or infinity) for a grey picture: it is corrupt"
        )
