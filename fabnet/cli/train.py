"""`fabnet train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fabnet.cli.flags import named_flags
from fabnet.runtime.terminal import console, say
from fabnet.training.config import TrainConfig
from fabnet.training.config import preset as preset_named
from fabnet.training.train import TrainResult, train

__all__ = ["command_for", "show"]

LENGTHS = {"max_steps", "max_minutes"}


def command_for(args: Sequence[str], values: Mapping[str, Any]) -> Callable[..., Any]:
    """The command, with the flags of the objective and the defaults of the preset that the arguments or the file name.

    A flag for the length of the run wins over the other one in the file.
    """
    given = named_flags(args)
    is_curriculum = values.get("curriculum") is True and "curriculum" not in given
    default = preset_named(
        _named(args, "--preset") or str(values.get("preset", "small")),
        curriculum=is_curriculum or "--curriculum" in args,
    )
    objective = _named(args, "--objective") or values.get("objective")
    given |= values.keys() - (LENGTHS if given & LENGTHS else set())
    if isinstance(objective, str):
        default = default.with_changes({"objective": objective})

    def run(
        store: tyro.conf.Positional[Path],
        out: Path,
        config: tyro.conf.OmitArgPrefixes[Annotated[TrainConfig, tyro.conf.arg(name="")]] = default,
        preset: str = "small",
        resume: bool = False,
        device: str = "auto",
        log: tuple[Literal["wandb", "mlflow"], ...] = (),
    ) -> TrainResult:
        """Train an encoder on a store of face-tracks, without labels.

        The run folder holds the configuration, metrics.csv, TensorBoard's events and the checkpoints; with
        --resume, a run that was stopped goes on as if it had not been. --max-minutes becomes a number of steps
        once, after the first minute.

        Examples:
          fabnet train tracks.lance --out run
          fabnet train tracks.lance --out run --max-minutes 30
          fabnet train tracks.lance --out run --resume
          fabnet train tracks.lance --out run --preset paper
          fabnet train tracks.lance --out baseline --objective autoencoder
          fabnet train tracks.lance --out run3 --init run --sources 3
          fabnet train tracks.lance --out run --log wandb
          fabnet train tracks.lance --out run --recolour 0.3 --occlude 0.3 --ssim 0.85

        Args:
            store: a store of face-tracks, made by track or import.
            out: the run folder.
            config: what differs from the preset.
            preset: small or paper; the defaults shown below are those of this preset.
            resume: go on where the run in --out stopped.
            device: auto, cpu, cuda or cuda:N.
            log: send the metrics also to wandb (offline unless $WANDB_MODE is online) or mlflow (see docs/verbs.md).
        """
        changes = {name: value for name, value in config.to_json().items() if name in given}
        return train(store, out, preset=preset, resume=resume, device=device, log=log, **changes)

    return run


def _named(args: Sequence[str], flag: str) -> str | None:
    """The value of a flag that decides which other flags there are; None where it is not given."""
    values = [after for before, after in pairwise(args) if before == flag]
    values += [arg.partition("=")[2] for arg in args if arg.startswith(f"{flag}=")]
    return values[-1] if values else None


def show(result: TrainResult) -> None:
    """Print a run's result for people."""
    from rich.table import Table

    table = Table("", "", title=f"trained {result.run}", show_header=False, title_justify="left")
    table.add_row("model (best on validation)", str(result.model))
    table.add_row("steps, pairs seen", f"{result.steps:,}, {result.pairs_seen:,}")
    table.add_row("speed", f"{result.pairs_per_s:,.1f} pairs/s")
    if result.val_loss is not None:
        beside = "" if result.val_loss_unwarped is None else f" (unwarped source {result.val_loss_unwarped:.4f})"
        table.add_row("validation loss", f"{result.val_loss:.4f}{beside}")
    console().print(table)
    for note in result.result_notes:
        say(f"note: {note}")
    say(f"look at it: fabnet report {result.run}")
