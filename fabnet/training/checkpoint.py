"""Checkpoints: everything that a resumed run needs, whole or not at all.

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
"""What an optimiser keeps of each parameter."""


@dataclass
class LoopState:
    """Where a run stands.

    Attributes:
        step: steps done.
        pairs_seen: source-target pairs trained on.
        total_steps: where the run ends; None while a time budget has not become a number of steps.
        max_minutes: the time budget that it was made from; None without one.
        elapsed_s: seconds of training so far, over all starts.
        plateau: state of the plateau schedule.
        curriculum: state of the curriculum; empty without one.
        val_loss: of the last validation, None before the first.
        val_loss_unwarped: of the unwarped sources on the same pairs; None where the objective warps nothing.
        best_val_loss: the lowest so far.
        losses: of the steps since the last row of the metrics.
        near: share of pairs near in time, of the same steps; empty without pair_gap.
    """

    step: int = 0
    pairs_seen: int = 0
    total_steps: int | None = None
    max_minutes: float | None = None
    elapsed_s: float = 0.0
    plateau: dict[str, Any] = field(default_factory=dict)
    curriculum: dict[str, Any] = field(default_factory=dict)
    val_loss: float | None = None
    val_loss_unwarped: float | None = None
    best_val_loss: float | None = None
    losses: list[float] = field(default_factory=list)
    near: list[float] = field(default_factory=list)


def read_state(checkpoint: Path) -> LoopState:
    """The loop's state in a checkpoint.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        return LoopState(**read_fields(LoopState, json.loads(read_text(checkpoint / STATE_FILE, MAX_CONFIG_BYTES))))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{checkpoint / STATE_FILE} cannot be read ({error}); delete it to use the one before"
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
    """Write a checkpoint and drop older ones.

    Args:
        run: the run folder.
        objective: its parameters and buffers are saved.
        optimizer: over the objective's parameters.
        state: where the loop stands.
        card: what the model folder says of itself.
        keep: how many of the latest checkpoints stay; the best one stays besides.
        validate_every: steps between validation rounds. An older checkpoint between two rounds, where the run was
            stopped, is dropped: a run that was never stopped has none.

    Returns:
        The checkpoint's folder.

    Raises:
        OutputError: it cannot be written; older checkpoints are untouched.
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
        if old not in kept and old.name.removeprefix("step-").isdigit():  # those that a kill left in part, too
            _drop(old)
    return path


def _drop(old: Path) -> None:
    with suppress(OSError):  # the new one is safe: the next one drops what this one could not
        if not is_remote(old):
            (old / STATE_FILE).unlink(missing_ok=True)  # killed from here on, it is not taken for a checkpoint
        remove(old)


def _check_whole(checkpoint: Path) -> None:
    for name in (WEIGHTS_FILE, OPTIMIZER_FILE):
        try:
            with safe_open(checkpoint / name, "pt"):
                pass
        except SafetensorError as error:
            raise OSError(f"the disk did not take all of {name} ({first_line(error)})") from None
    read_state(checkpoint)


def load_checkpoint(
    checkpoint: Path, objective: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> LoopState:
    """Put a checkpoint's weights and moments into an objective and its optimiser.

    Returns:
        Where the loop stood.

    Raises:
        ModelError: a file is missing or damaged, or does not fit the network.
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
        raise ModelError(f"{checkpoint} cannot be loaded ({reason}); delete it to use the one before") from None
    for name, parameter in objective.named_parameters():
        of_parameter = {key: moments.pop(f"{key}/{name}", None) for key in MOMENTS[type(optimizer)]}
        if all(value is None for value in of_parameter.values()):
            continue
        for key, value in of_parameter.items():
            if value is None or value.shape != (() if key == "step" else parameter.shape):
                raise ModelError(f"{checkpoint} is damaged: {key} of {name} is wrong; delete it to use the one before")
            # Moments are laid out in memory as their parameters are.
            kept = torch.empty_like(parameter).copy_(value) if value.ndim == 4 else value
            optimizer.state[parameter][key] = kept
    if moments:
        raise ModelError(f"{checkpoint} is damaged: {min(moments)} is of no parameter; delete it to use the one before")
    return state
