"""What a run leaves to look at: `metrics.csv` and TensorBoard's events."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType

from fabnet.output import output_errors

__all__ = ["COLUMNS", "RunLog", "read_metrics"]

COLUMNS = (
    "step",
    "pairs_seen",
    "train_loss",
    "val_loss",
    "val_loss_unwarped",
    "learning_rate",
    "curriculum_from",
    "curriculum_to",
    "pairs_per_s",
    "elapsed_s",
)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The rows of a run's `metrics.csv`, without what was not measured at a row; no rows where there is no file."""
    file = run / "metrics.csv"
    if not file.is_file():
        return []
    with file.open(newline="") as lines:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(lines)]


class RunLog:
    """Writes a run's metrics; a context manager.

    Args:
        run: the run folder.
        first_step: where this start of the run begins; rows of later steps, from a start that was cut off
            after its last checkpoint, are dropped.
    """

    def __init__(self, run: Path, *, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = run / "metrics.csv"
        with output_errors(self._path):
            kept = [row for row in read_metrics(run) if row["step"] <= first_step]
            with self._path.open("w", newline="") as lines:
                writer = csv.DictWriter(lines, COLUMNS)
                writer.writeheader()
                writer.writerows(kept)
            self._events = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()

    def write(self, step: int, **values: float) -> None:
        """Write one row; the names are those of `COLUMNS`."""
        with output_errors(self._path), self._path.open("a", newline="") as lines:
            csv.DictWriter(lines, COLUMNS).writerow({"step": step} | values)
        for name, value in values.items():
            if name not in ("pairs_seen", "elapsed_s"):
                self._events.add_scalar(name, value, step)
