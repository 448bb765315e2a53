"""Checkpoints: everything that a resumed run needs, written completely or not at all.

RUN/checkpoints/step-NNNNNNNN/ is a model folder (`config.json`, `model.safetensors`) with the optimiser's state
(`optimizer.safetensors`) and the loop's (`state.json`) beside it. Nothing is pickled.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from fabnet.errors import InputError, ModelError, first_line
from fabnet.files.fields import read_fields
from fabnet.files.limits import MAX_CONFIG_BYTES, read_text
from fabnet.files.output import written_whole
from fabnet.files.places import fetched, is_remote, remove
from fabnet.models.find_model import STATE_FILE, best_checkpoint, list_checkpoints
from fabnet.models.model_folder import WEIGHTS_FILE, ModelCard, write_card
from fabnet.models.weights_file import bytes_of, check_safetensors

__all__ = ["LoopState", "load_checkpoint", "read_state", "save_checkpoint"]

OPTIMIZER_FILE = "optimizer.safetensors"
MOMENTS: dict[type, tuple[str, ...]] = {
    torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.SGD: ("momentum_buffer",),
}
"""State tensors that an optimiser keeps per parameter."""


@dataclass
class LoopState:
    """The state of the training loop."""

    step: int = 0
    """Number of steps taken."""
    pairs_seen: int = 0
    """Number of source-target pairs trained on."""
    total_steps: int | None = None
    """Step at which the run ends; None while a time budget has not become a number of steps."""
    max_minutes: float | None = None
    """Time budget that `total_steps` was computed from; None without a budget."""
    elapsed_s: float = 0.0
    """Seconds of training so far, over all starts."""
    plateau: dict[str, Any] = field(default_factory=dict)
    """State of the plateau schedule."""
    curriculum: dict[str, Any] = field(default_factory=dict)
    """State of the curriculum; empty without one."""
    val_loss: float | None = None
    """Loss of the last validation; None before the first."""
    val_loss_unwarped: float | None = None
    """Loss of the unwarped sources on the same pairs; None if the objective does not warp."""
    val_groups: list[float] = field(default_factory=list)
    """Losses of the groups of tracks in the last validation round, for the noise of the next."""
    best_val_loss: float | None = None
    """Lowest validation loss so far; None before the first."""
    losses: list[float] = field(default_factory=list)
    """Losses of the steps since the last row of the metrics."""
    near: list[float] = field(default_factory=list)
    """Shares of pairs near in time in these steps; empty without `pair_gap`."""


def read_state(checkpoint: Path) -> LoopState:
    """Read the loop's state in a checkpoint.

    Raises:
        ModelError: the file is missing or corrupt.
    """
    try:
        return LoopState(**read_fields(LoopState, json.loads(read_text(checkpoint / STATE_FILE, MAX_CONFIG_BYTES))))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{checkpoint / STATE_FILE} cannot be read ({error}); delete it to use the previous checkpoint"
        ) from None


def save_checkpoint(
    run: Path,
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: LoopState,
    card: ModelCard,
    *,
    keep: int,
    validate_every: int,
) -> Path:
    """Write a checkpoint and delete older ones.

    Args:
        run: the run folder.
        objective: the objective, whose parameters and buffers are saved.
        optimizer: optimiser of the objective's parameters.
        state: state of the loop.
        card: card of the model folder.
        keep: number of latest checkpoints to keep, beside the best one.
        validate_every: steps between validation rounds. An older checkpoint between two rounds, where the run was
            stopped, is deleted, because a run that was never stopped has none.

    Returns:
        The checkpoint's folder.

    Raises:
        OutputError: the checkpoint cannot be written; older checkpoints are untouched.
    """
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in objective.named_parameters()}
    moments = {
        f"{key}/{names[parameter]}": value.contiguous()
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
        if isinstance(value, torch.Tensor)
    }
    weights = {name: value.contiguous() for name, value in objective.state_dict().items()}
    path = run / "checkpoints" / f"step-{state.step:08d}"
    with written_whole(path, last=STATE_FILE, check=_check_whole) as partial:
        partial.mkdir()
        save_file(weights, partial / WEIGHTS_FILE)
        save_file(moments, partial / OPTIMIZER_FILE)
        (partial / STATE_FILE).write_text(json.dumps(asdict(state), indent=2) + "\n")
        write_card(partial, card)
    whole = list_checkpoints(run)
    for old in [each for each in whole if each != path and int(each.name.removeprefix("step-")) % validate_every]:
        whole.remove(old)
        _drop(old)
    kept = {*whole[-keep:], best_checkpoint(run)}
    for old in (run / "checkpoints").glob("step-*"):
        if old not in kept and old.name.removeprefix("step-").isdigit():  # including those that a kill left incomplete
            _drop(old)
    return path


def _drop(old: Path) -> None:
    with suppress(OSError):  # the new checkpoint is complete, and the next one tries this deletion again
        if not is_remote(old):
            (old / STATE_FILE).unlink(missing_ok=True)  # first, so that a partly deleted folder is not a checkpoint
        remove(old)


def _check_whole(checkpoint: Path) -> None:
    for name in (WEIGHTS_FILE, OPTIMIZER_FILE):
        try:
            with safe_open(checkpoint / name, "pt"):
                pass
        except SafetensorError as error:
            raise OSError(f"{name} was not written completely ({first_line(error)})") from None
    read_state(checkpoint)


def load_checkpoint(
    checkpoint: Path, objective: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> LoopState:
    """Load a checkpoint's weights and moments into an objective and its optimiser.

    Returns:
        The state of the loop.

    Raises:
        ModelError: a file is missing or corrupt, or does not fit the network.
    """
    state = read_state(checkpoint)
    checkpoint = fetched(checkpoint)
    largest = bytes_of(objective.state_dict().values())
    try:
        check_safetensors(checkpoint / WEIGHTS_FILE, largest)
        check_safetensors(checkpoint / OPTIMIZER_FILE, 3 * largest)
        weights = load_file(checkpoint / WEIGHTS_FILE, device=str(device))
        moments = load_file(checkpoint / OPTIMIZER_FILE, device=str(device))
        objective.load_state_dict(weights)
    except (InputError, OSError, SafetensorError, RuntimeError) as error:
        reason = first_line(error)
        raise ModelError(f"{checkpoint} cannot be loaded ({reason}); delete it to use the previous one") from None
    for name, parameter in objective.named_parameters():
        of_parameter = {key: moments.pop(f"{key}/{name}", None) for key in MOMENTS[type(optimizer)]}
        if all(value is None for value in of_parameter.values()):
            continue
        for key, value in of_parameter.items():
            if value is None or value.shape != (() if key == "step" else parameter.shape):
                raise ModelError(
                    f"{checkpoint} is corrupt: {key} of {name} is wrong; delete it to use the previous one"
                )
            # Moments need the memory layout of their parameters. What is loaded is the file, mapped as memory, and
            # Windows deletes no file that is mapped.
            kept = torch.empty_like(parameter).copy_(value) if value.ndim == 4 else value.clone()
            optimizer.state[parameter][key] = kept
    if moments:
        raise ModelError(
            f"{checkpoint} is corrupt: {min(moments)} belongs to no parameter; delete it to use the previous one"
        )
    return state
