"""`fabnet train`: a track store to a run folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
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
from fabnet.store.track_store import TrackStore, open_store
from fabnet.training import config as configs
from fabnet.training.config import TrainConfig
from fabnet.training.device import choose_device
from fabnet.training.initial import has_single_source
from fabnet.training.processes import Processes, processes
from fabnet.training.run_log import EVENTS, METRICS
from fabnet.training.trainer import Trainer
from fabnet.version import VERSION

__all__ = ["RUN_FILE", "TrainResult", "read_run", "store_of", "train"]

RUN_FILE = "config.json"
_HOLDS_A_RUN = "{} holds a run already; give --resume to go on with it, or another --out"
WRITTEN = (RUN_FILE, METRICS, EVENTS, "checkpoints", "_lock")
"""What a run writes to in its folder."""
RESUMABLE = {"max_steps", "max_minutes", "num_workers", "keep_checkpoints"}


@dataclass(frozen=True)
class TrainResult:
    """What a run came to.

    Attributes:
        run: its folder.
        model: its best checkpoint by validation loss, a model folder.
        steps: taken in all.
        pairs_seen: source-target pairs trained on.
        frames_encoded: images that passed the encoder in training; a second pass (curriculum_forward) not counted.
        pairs_per_s: steady speed of this start, the first five steps left out.
        val_loss: the objective's on the validation pairs, at the end (FAb-Net's: mean absolute difference in [0, 1]).
        val_loss_unwarped: the unwarped sources' on the same pairs; None where the objective warps nothing.
    """

    run: Path
    model: Path
    steps: int
    pairs_seen: int
    frames_encoded: int
    pairs_per_s: float
    val_loss: float | None
    val_loss_unwarped: float | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dataclasses.asdict(self) | {"run": str(self.run), "model": str(self.model)}


def read_run(run: Path) -> tuple[TrainConfig, str]:
    """Read what a run was started with.

    Returns:
        Its configuration, and the place of its store as the run names it, see `store_of`.

    Raises:
        ModelError: the folder is no run, or its `config.json` is damaged.
    """
    try:
        content = json.loads(read_text(run / RUN_FILE, MAX_CONFIG_BYTES))
        if not isinstance(content["store"], str):
            raise TypeError("the store's name")
        return TrainConfig.from_json(content["config"]), content["store"]
    except FileNotFoundError:
        raise ModelError(f"{run} is no run: it has no {RUN_FILE}; expected a folder that train wrote") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{run / RUN_FILE} cannot be read ({error}); was it written by another fabnet?") from None


def store_of(run: Path, named: str) -> Path:
    """The store that a run names: on this machine, or in the bucket that the run lies in.

    Raises:
        InputError: it lies in another bucket, where nothing is asked for because a file says so.
    """
    if is_remote(named) and str(run).split("/")[:3] != named.split("/")[:3]:
        raise InputError(
            f"{run} names its store in an object store, {named}, which is read only for a run in the same bucket: copy "
            "the run there"
        )
    return as_place(named)


def train(
    store: str | Path,
    out: str | Path,
    *,
    preset: str = "small",
    resume: bool = False,
    device: str = "auto",
    **changes: Any,
) -> TrainResult:
    """Train an encoder without labels on a track store.

    Args:
        store: a track store.
        out: the run folder to write.
        preset: "small" or "paper".
        resume: go on where the run in `out` stopped; it then equals one that was never stopped.
        device: "auto", "cpu", "cuda" or "cuda:N".
        changes: fields of `TrainConfig` that differ from the preset. A resumed run keeps its own, but for
            max_steps, max_minutes, num_workers and keep_checkpoints.

    Returns:
        What the run came to.

    Raises:
        InputError: an option is unknown or impossible, or `out` holds a run already (or none, to resume; or one that
            was started on another store).
        StoreError: the store is missing or of another version.
        TrainingError: nothing to train on, or a loss that is not finite.
        BusyError: another command is training in `out`.
        OutputError: the disk is full.
    """
    run = as_place(out)
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
            config = _resumed(run, changes)  # asked again: another command may have gone on meanwhile
        elif me.is_first and list_checkpoints(run):
            raise InputError(_HOLDS_A_RUN.format(run))
        trainer = Trainer(tracks, run, config, device=where, resume=resume, me=me)
        if me.is_first:
            _write_run(run, config, tracks, digest)
        state = trainer.train()
        trainer.leave()
    return TrainResult(
        run=run,
        model=best_checkpoint(run),
        steps=state.step,
        pairs_seen=state.pairs_seen,
        frames_encoded=state.step * config.batch_size * (config.sources + 1),
        pairs_per_s=round(trainer.clock.steps_per_s * config.pairs_a_step, 1),
        val_loss=state.val_loss,
        val_loss_unwarped=state.val_loss_unwarped,
    )


@contextmanager
def _alone(run: Path, me: Processes) -> Iterator[None]:
    """Keep other trainers out of a run; the first process does it for all. A folder that stays empty is removed."""
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


def _write_run(run: Path, config: TrainConfig, store: TrackStore, digest: str) -> None:
    content = {
        "config": config.to_json(),
        "store": str(store.path.absolute()),
        "store_digest": digest,
        "fabnet": VERSION,
    }
    with written_whole(run / RUN_FILE) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def _started(run: Path, name: str, changes: dict[str, Any]) -> TrainConfig:
    if list_checkpoints(run):
        raise InputError(_HOLDS_A_RUN.format(run))
    _check_place(run)
    config = configs.preset(name, curriculum=bool(changes.get("curriculum"))).with_changes(changes)
    if config.init is None or config.freeze is not None:
        return config
    is_fine_tuning = config.sources > 1 and has_single_source(config.init)
    return config.with_changes({"freeze": ("flow_decoder",) if is_fine_tuning else ()})


def _check_place(run: Path) -> None:
    """Refuse a folder with files of the names that a run writes to, unless they are of a run that was cut off."""
    found = [name for name in (RUN_FILE, METRICS) if (run / name).is_file()]
    if not found:
        return
    try:
        read_run(run)
    except FabnetError:
        raise InputError(
            f"{run} holds a {found[0]} that is of no run, and would be written over: choose another --out"
        ) from None


def _resumed(run: Path, changes: dict[str, Any]) -> TrainConfig:
    config, _ = read_run(run)
    own = config.to_json()
    differing = {name: value for name, value in changes.items() if own.get(name) != value}
    fixed = sorted(set(differing) - RESUMABLE)
    if fixed:
        raise InputError(
            f"a resumed run keeps its own {', '.join(fixed)}; leave it out, or start another run in another --out"
        )
    return config.with_changes(differing)


def _check_store(run: Path, store: TrackStore, digest: str) -> None:
    """Refuse to go on with other people; a run that an earlier fabnet wrote does not say what it was started on."""
    content = json.loads(read_text(run / RUN_FILE, MAX_CONFIG_BYTES))
    if content.get("store_digest", digest) != digest:
        raise InputError(
            f"{store.path} has other tracks than {content['store']}, which {run} was started on; give the same store, "
            "or start another run in another --out"
        )
