"""A run's log: `metrics.csv` and TensorBoard's events.

Both are appended to, which an object store does not support: a run in an object store keeps them on this machine and
uploads them with each checkpoint.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType

from fabnet.errors import OutputError
from fabnet.files.limits import MAX_TABLE_BYTES, open_text
from fabnet.files.output import output_errors, written_whole
from fabnet.files.places import is_remote, make_folder, remove, send, workplace
from fabnet.files.sync import sync

__all__ = ["COLUMNS", "EVENTS", "METRICS", "RunLog", "read_metrics"]

METRICS, EVENTS = "metrics.csv", "tensorboard"
COLUMNS = (
    "step",
    "pairs_seen",
    "train_loss",
    "val_loss",
    "val_loss_unwarped",
    "val_loss_noise",
    "learning_rate",
    "curriculum_from",
    "curriculum_to",
    "near_share",
    "pairs_per_s",
    "elapsed_s",
)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """Read a run's `metrics.csv`: one dict per row with the values that it has; no rows if there is no file.

    A last row that a full disk truncated is left out.
    """
    return [{key: float(value) for key, value in row.items() if value} for row in _rows(run)]


def _rows(run: Path) -> list[dict[str, str]]:
    file = run / METRICS
    if not file.exists():
        return []
    with open_text(file, MAX_TABLE_BYTES) as lines:
        return list(csv.DictReader(line for line in lines if line.endswith("\n")))


class RunLog:
    """Writes a run's metrics; a context manager.

    Args:
        run: the run folder.
        first_step: step that this start begins at; rows of later steps, from a start that was killed after its last
            checkpoint, are dropped.
        drop_last: drop the row of `first_step` too.
        drop_val: drop the validation losses at `first_step`.
    """

    def __init__(self, run: Path, *, first_step: int, drop_last: bool = False, drop_val: bool = False) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._run = run
        folder = workplace(run) / "log" if is_remote(run) else run
        self._path = folder / METRICS
        with output_errors(self._path):
            if is_remote(run):
                remove(folder)  # left by a start that was killed
                make_folder(folder)
            kept = [row for row in _rows(run) if float(row["step"]) <= first_step - drop_last]
            last: dict[str, str] = {}
            if drop_val and kept and float(kept[-1]["step"]) == first_step:
                last = kept[-1] = {name: kept[-1][name] for name in kept[-1] if not name.startswith("val_loss")}
            with written_whole(self._path) as partial, partial.open("w", newline="") as lines:
                writer = csv.DictWriter(lines, COLUMNS)
                writer.writeheader()
                writer.writerows(kept)
            self._events = SummaryWriter(str(folder / EVENTS), purge_step=first_step + (not (drop_last or drop_val)))
            self._add_scalars(first_step, {name: float(value) for name, value in last.items() if value})

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Errors here are suppressed after another one, which they would hide.
        with suppress(OSError) if error is not None else output_errors(self._path.parent / EVENTS):
            self._events.close()
        with suppress(OutputError) if error is not None else nullcontext():
            self.send()
        if is_remote(self._run):
            remove(self._path.parent)

    def send(self) -> None:
        """Sync the log to disk, or upload it to a run in an object store."""
        if not is_remote(self._run):
            with output_errors(self._path):
                sync(self._path)
            return
        with output_errors(self._run):
            self._events.flush()
            send(self._path, self._run / METRICS)
            for file in (self._path.parent / EVENTS).iterdir():
                send(file, self._run / EVENTS / file.name)

    def write(self, step: int, **values: float) -> None:
        """Write one row; the keywords are names in `COLUMNS`."""
        with output_errors(self._path), self._path.open("a", newline="") as lines:
            csv.DictWriter(lines, COLUMNS).writerow({"step": step} | values)
        self._add_scalars(step, values)

    def _add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        with output_errors(self._path.parent / EVENTS):
            for name, value in values.items():
                if name not in ("step", "pairs_seen", "elapsed_s"):
                    self._events.add_scalar(name, value, step)
