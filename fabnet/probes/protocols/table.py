"""`FILE.csv` as a protocol: your own faces with your own labels.

Columns: `path` (relative to the data folder), optional `subject` (the person) and `split` (train, val or test), then
the targets, whose kind follows from their names and values:

    x0, y0, x1, y1 ...     points in pixels of the image: one task `landmarks`, error over the points' box
    roll, pitch, yaw       degrees: one task `pose`, with those that are present
    words                  classes: a task with the column's name, AUC of each
    only 0 and 1           absent or present: a task with the column's name, AUC
    other numbers          values: a task with the column's name, correlation and absolute error

Numbers may have a decimal comma if semicolons or tabs separate the cells (`fabnet.files.decimal_commas`).
Probes can be saved only if no name or class has a dot or a backtick and no name is one of `embed`'s own columns. An
empty cell is a missing label. Without `split`, 75 % train, 15 % validate and 10 % test by a hash of the subject (or of
the path). Crop: the detector's; a face that is not found is scored on the whole image.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES
from fabnet.files.decimal_commas import is_number, with_points
from fabnet.files.names import find_file
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.label_files import number_of, rows_of
from fabnet.probes.tasks.labels import Classes, Units
from fabnet.probes.tasks.points import Points, box_side
from fabnet.probes.tasks.quantities import Angles, Values
from fabnet.probes.tasks.task import Task
from fabnet.store.schema import SPLITS
from fabnet.store.split import split_of

__all__ = ["read_table"]

RESERVED = ("path", "subject", "split")


def read_table(file: Path, data: Path) -> Benchmark:
    """Read a table of labels.

    Args:
        file: the CSV file.
        data: folder that its paths are relative to.

    Raises:
        InputError: the file is missing or invalid.
    """
    if not file.exists():
        raise InputError(f"no such label file: {file}; expected CSV with a column path, then the targets")
    rows = rows_of(file, ["path"])
    if not rows:
        raise InputError(f"{file} has no rows; expected a column path, then the targets")
    columns = list(next(iter(rows.values())))
    for name in columns:
        if name.lower() in RESERVED and name not in RESERVED:
            raise InputError(f"{file} has a column {name}; expected {name.lower()}, in lower case")
    names = [row["path"] for row in rows.values()]
    for name in ("path", "subject"):
        empty = [line for line, row in rows.items() if row.get(name) == ""]
        if empty:
            raise InputError(f"{file}, line {empty[0]}: {name} is empty; leave the column out, or fill it everywhere")
    people = np.array([row["subject"] for row in rows.values()]) if "subject" in columns else None
    if "split" in columns:
        split = np.array([row["split"] for row in rows.values()])
        wrong = sorted(set(split.tolist()) - set(SPLITS))
        if wrong:
            raise InputError(f"{file}: split must be train, val or test; found {wrong[0]!r}")
    else:
        split = np.array([split_of(str(owner)) for owner in (names if people is None else people)])
    return Benchmark(
        name=file.name,
        images=[find_file(data, name) for name in names],
        names=names,
        split=split,
        people=people,
        tasks=_tasks(file, rows, [name for name in columns if name not in RESERVED]),
    )


def _tasks(file: Path, rows: dict[int, dict[str, str]], targets: list[str]) -> tuple[Task, ...]:
    if not targets:
        raise InputError(f"{file} has no target column; expected points x0, y0 ..., angles, classes, units or values")
    tasks: list[Task] = []
    count = 0
    while {f"x{count}", f"y{count}"} <= set(targets):
        count += 1
    points = [f"{axis}{i}" for i in range(count) for axis in "xy"]
    angles = tuple(name for name in ANGLES if name in targets)
    singles = [name for name in targets if name not in points and name not in angles]
    classes = [name for name in singles if _are_classes(file, name, [row[name] for row in rows.values()])]
    rows = with_points(file, rows, [name for name in targets if name not in classes])
    if points:
        values = np.array([[number_of(file, line, row[name]) for name in points] for line, row in rows.items()])
        tasks.append(Points(name="landmarks", targets=values, normalisers=(box_side(),)))
    if angles:
        values = np.array([[number_of(file, line, row[name]) for name in angles] for line, row in rows.items()])
        tasks.append(Angles(name="pose", targets=values, columns=angles))
    stray = [name for name in targets if re.fullmatch(r"[xy]\d+", name) and name not in points]
    if stray:
        raise InputError(f"{file} has a column {stray[0]}; expected points x0, y0, x1, y1 ..., from 0 without a gap")
    for name in singles:
        tasks.append((_classes if name in classes else _single)(name, [row[name] for row in rows.values()]))
    return tuple(tasks)


def _are_classes(file: Path, name: str, cells: list[str]) -> bool:
    """Whether a column of its own holds classes: a cell is not a number."""
    words = [cell for cell in cells if cell and not is_number(cell)]
    if 0 < 2 * len(words) < sum(map(bool, cells)):
        raise InputError(f"{file}: column {name} holds numbers and {words[0]!r}; leave unknown cells empty")
    return bool(words)


def _classes(name: str, cells: list[str]) -> Task:
    classes = tuple(sorted(set(cells) - {""}))
    place = {text: float(i) for i, text in enumerate(classes)} | {"": np.nan}
    numbers = np.array([place[cell] for cell in cells])[:, None]
    return Classes(name=name, targets=numbers, columns=classes)


def _single(name: str, cells: list[str]) -> Task:
    """The task of a column of numbers: units if all are 0 or 1, else values."""
    values = np.array([float(cell or "nan") for cell in cells])[:, None]
    is_unit = set(values[np.isfinite(values)]) <= {0.0, 1.0}
    return (Units if is_unit else Values)(name=name, targets=values, columns=(name,))
