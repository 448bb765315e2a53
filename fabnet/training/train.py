"""`fabnet train`: trains on a track store and writes a run folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabnet.errors import FabnetError, InputError, ModelError
from fabnet.files.limits import MAX_CONFIG_BYTES, read_text
from fabnet.files.links import check_links
from fabnet.files.locks import locked_file
from fabnet.files.output import output_errors, written_whole
from fabnet.files.places import as_place, is_remote, make_folder, remove, workplace
from fabnet.models.find_model import best_checkpoint, list_checkpoints
from fabnet.models.model_folder import read_card
from fabnet.options import takes
from fabnet.runtime.notebook import facts
from fabnet.runtime.terminal import say
from fabnet.store.track_store import TrackStore, open_store
from fabnet.training import config as configs
from fabnet.training.advice import data_notes, result_notes, share_notes
from fabnet.training.config import TrainConfig, small
from fabnet.training.device import choose_device
from fabnet.training.initial import curriculum_position, has_single_source
from fabnet.training.metric_logs import IDS_FILE, WANDB, MetricLog, check_logs
from fabnet.training.processes import Processes, processes
from fabnet.training.run_log import EVENTS, METRICS
from fabnet.training.setup import Setup
from fabnet.training.trainer import Trainer
from fabnet.version import VERSION

__all__ = ["RUN_FILE", "TrainResult", "read_run", "store_of", "train"]

RUN_FILE = "config.json"
_HOLDS_A_RUN = "{} already contains a run; give --resume to continue it, or another --out"
WRITTEN = (RUN_FILE, METRICS, EVENTS, "checkpoints", "_lock", "_frames", IDS_FILE, WANDB)
"""Files and folders that a run writes in its folder."""
RESUMABLE = {"max_steps", "max_minutes", "num_workers", "compile", "keep_checkpoints", "decoded_gb"}


@dataclass(frozen=True)
class TrainResult:
    """The result of a run."""

    run: Path
    """Run folder."""
    model: Path
    """Best checkpoint by validation loss, a model folder."""
    steps: int
    """Number of steps taken."""
    pairs_seen: int
    """Number of source-target pairs trained on."""
    frames_encoded: int
    """Number of images encoded in training, without the second pass of `curriculum_forward`."""
    pairs_per_s: float
    """Steady speed of this start, without the first five steps."""
    val_loss: float | None
    """Final loss on the validation pairs (FAb-Net's: mean absolute difference in [0, 1])."""
    val_loss_unwarped: float | None
    """Loss of the unwarped sources on the same pairs; None if the objective does not warp."""
    data_notes: list[str]
    """Remarks on the data, which were printed at the start: few videos, few people in validation, few tracks."""
    result_notes: list[str]
    """Remarks on the result: it is not, or hardly, better than the unwarped source."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return dataclasses.asdict(self) | {"run": str(self.run), "model": str(self.model)}

    def _repr_html_(self) -> str:
        losses = None if self.val_loss is None else f"{self.val_loss:.4f}"
        unwarped = None if self.val_loss_unwarped is None else f"{self.val_loss_unwarped:.4f}"
        rows = [
            ("model (best on validation)", self.model), ("steps", f"{self.steps:,}"),
            ("pairs seen", f"{self.pairs_seen:,}"), ("speed", f"{self.pairs_per_s:,.1f} pairs/s"),
            ("validation loss", losses), ("loss of the unwarped source", unwarped),
            *(("note", note) for note in [*self.data_notes, *self.result_notes]),
        ]  # fmt: skip
        return facts(f"run {self.run}", rows)


def read_run(run: Path) -> tuple[TrainConfig, str]:
    """Read the configuration and the store of a run.

    Returns:
        The configuration, and the store's place as the run names it, see `store_of`.

    Raises:
        ModelError: the folder is not a run, or its `config.json` is corrupt.
    """
    try:
        content = json.loads(read_text(run / RUN_FILE, MAX_CONFIG_BYTES))
        if not isinstance(content["store"], str):
            raise TypeError("the store's name")
        return TrainConfig.from_json(content["config"]), content["store"]
    except FileNotFoundError:
        raise ModelError(f"{run} is not a run: it has no {RUN_FILE}; expected a folder written by train") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{run / RUN_FILE} cannot be read ({error}); was it written by another fabnet?") from None


def store_of(run: Path, named: str) -> Path:
    """Return the store that a run names, on this machine or in the run's own bucket.

    Raises:
        InputError: the store is in another bucket, which is not accessed merely because a file names it.
    """
    if is_remote(named) and str(run).split("/")[:3] != named.split("/")[:3]:
        raise InputError(
            f"{run} names its store in an object store, {named}, which is read only for a run in the same bucket: copy "
            "the run there"
        )
    return as_place(named)


@takes(TrainConfig, small())
def train(
    store: str | Path,
    out: str | Path,
    *,
    preset: str = "small",
    resume: bool = False,
    device: str = "auto",
    log: str | MetricLog | Sequence[str | MetricLog] = (),
    **changes: Any,
) -> TrainResult:
    """Train an encoder without labels on a track store.

    Args:
        store: a track store.
        out: the run folder to write.
        preset: "small" or "paper".
        resume: go on where the run in `out` stopped; it then equals one that was never stopped.
        device: "auto", "cpu", "cuda" or "cuda:N".
        log: where the metrics go beside the run folder: "wandb" (offline unless $WANDB_MODE is online), "mlflow", a
            function that is called with the step and a dict of metrics for each row of metrics.csv, or several of
            these. Not kept in the run: give it again to resume.
        changes: fields of `TrainConfig` that differ from the preset. A resumed run keeps its own, but for
            max_steps, max_minutes, num_workers, compile, keep_checkpoints and decoded_gb.

    Returns:
        What the run came to.

    Raises:
        InputError: an option is unknown or impossible, or `out` holds a run already (or none, to resume; or one that
            was started on another store).
        StoreError: the store is missing or of another version.
        TrainingError: nothing to train on, or a loss that is not finite.
        BusyError: another command is training in `out`.
        MissingDependencyError: W&B or MLflow is not installed.
        OutputError: the disk is full.
    """
    run, logs = as_place(out), check_logs(log)
    if not is_remote(run):
        check_links(run, "a run folder", only=WRITTEN)
    config = _resumed(run, changes) if resume else _started(run, preset, changes)
    tracks = open_store(store)
    digest = tracks.digest()
    if resume:
        _check_store(run, tracks, digest)
    where = choose_device(device)
    with processes(where) as me, _alone(run, me):
        if resume:
            config = _resumed(run, changes)  # again, because another command may have continued the run meanwhile
        elif me.is_first and list_checkpoints(run):
            raise InputError(_HOLDS_A_RUN.format(run))
        trainer = Trainer(tracks, run, config, device=where, resume=resume, me=me, logs=logs)
        notes = data_notes(tracks, config) + share_notes(config.batch_size, where.type, processes=me.world_size)
        if me.is_first:
            _write_run(run, config, tracks, digest, trainer.setup)
            for note in notes:
                say(f"note: {note}", to_stderr=True)
        state = trainer.train()
        trainer.leave()
    best = best_checkpoint(run)
    return TrainResult(
        run=run,
        model=best,
        steps=state.step,
        pairs_seen=state.pairs_seen,
        frames_encoded=state.step * config.batch_size * (config.sources + 1),
        pairs_per_s=round(trainer.pace.steps_per_s * config.pairs_a_step, 1),
        val_loss=state.val_loss,
        val_loss_unwarped=state.val_loss_unwarped,
        data_notes=notes,
        result_notes=result_notes(read_card(best).training),
    )


@contextmanager
def _alone(run: Path, me: Processes) -> Iterator[None]:
    """Lock a run against other commands, in the first process. If the run wrote nothing, a new folder is removed."""
    if not me.is_first:
        yield
        return
    with ExitStack() as stack:
        folder = workplace(run)
        with output_errors(run):
            made = not folder.exists()
            make_folder(folder)
            stack.enter_context(locked_file(folder / "_lock", run))
        try:
            yield
        finally:
            if made and [entry.name for entry in folder.iterdir()] == ["_lock"]:
                stack.close()
                remove(folder)


def _write_run(run: Path, config: TrainConfig, store: TrackStore, digest: str, setup: Setup) -> None:
    content = {
        "config": config.to_json(),
        "store": str(store.path.absolute()),
        "store_digest": digest,
        "setup": setup.to_json(),
        "fabnet": VERSION,
    }
    with written_whole(run / RUN_FILE) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def _started(run: Path, name: str, changes: dict[str, Any]) -> TrainConfig:
    if list_checkpoints(run):
        raise InputError(_HOLDS_A_RUN.format(run))
    _check_place(run)
    config = configs.preset(name, curriculum=bool(changes.get("curriculum"))).with_changes(changes)
    if config.init is None:
        return config
    follows: dict[str, Any] = {}
    if config.freeze is None:
        is_fine_tuning = config.sources > 1 and has_single_source(config.init)
        follows["freeze"] = ("flow_decoder",) if is_fine_tuning else ()
    if config.curriculum and config.curriculum_start is None:
        follows["curriculum_start"] = curriculum_position(config.init)
    return config.with_changes(follows)


def _check_place(run: Path) -> None:
    """Refuse a folder with files that a run would overwrite, unless they are from an interrupted run."""
    found = [name for name in (RUN_FILE, METRICS) if (run / name).is_file()]
    if not found:
        return
    try:
        read_run(run)
    except FabnetError:
        raise InputError(
            f"{run} contains a {found[0]} that no run wrote and that would be overwritten: choose another --out"
        ) from None


def _resumed(run: Path, changes: dict[str, Any]) -> TrainConfig:
    config, _ = read_run(run)
    own = config.to_json()
    differing = {name: value for name, value in changes.items() if own.get(name) != value}
    fixed = sorted(set(differing) - RESUMABLE)
    if fixed:
        raise InputError(
            f"a resumed run cannot change {', '.join(fixed)}; leave it out, or start another run in another --out"
        )
    return config.with_changes(differing)


def _check_store(run: Path, store: TrackStore, digest: str) -> None:
    """Refuse to resume on another store; runs of early fabnet versions have no digest of theirs."""
    content = json.loads(read_text(run / RUN_FILE, MAX_CONFIG_BYTES))
    if content.get("store_digest", digest) != digest:
        raise InputError(
            f"{store.path} has other tracks than {content['store']}, which {run} was started on; give the same store, "
            "or start another run in another --out"
        )
