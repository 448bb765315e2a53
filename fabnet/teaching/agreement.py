"""How well a pupil's readings agree with its teacher's on people held out.

Letters: N faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fabnet.encoders.face_reader import FIRST, LANDMARKS, FaceReader, ReaderTask
from fabnet.probes.metrics import Weighted, auc, bootstrap_weights, correlation, interval, mean_of, weighted_mean
from fabnet.reading.canonical import Eyes
from fabnet.runtime.progress import progress
from fabnet.runtime.threads import batched, in_threads
from fabnet.store.track_store import TrackStore
from fabnet.teaching.fit import output_slices
from fabnet.teaching.lessons import ROWS_AT_ONCE, People, read_crops

__all__ = ["Judged", "judge", "marked"]

MIN_CORRELATION, MIN_AUC, MAX_DISTANCE = 0.6, 0.8, 10.0
"""What agrees worse is experimental: correlation of values, AUC of probabilities, distance of points in per cent of the
distance between the eyes."""
MIN_FACES, MIN_PEOPLE = 10, 2
"""Faces of people held out for which the teacher says yes, and those for which it says no; below that nothing is known.
"""
EXPERIMENTAL = "_experimental"


@dataclass(frozen=True, slots=True)
class Judged:
    """How well readings agree on people held out."""

    rows: list[dict[str, Any]]
    """One per attribute: attribute, metric, value, low, high, n, people, experimental (why; empty: it is not)."""
    faces: int
    """Number of faces that the teacher has in range."""
    people: int
    """Number of people whose faces these are."""
    in_range: float
    """Share of these that the pupil has in range, too."""


def judge(store: TrackStore, held: People, teacher: Eyes, pupil: Eyes, *, num_threads: int | None) -> Judged:
    """Read the faces of people held out with both, and compare. Only faces that both have in range count."""
    parts: list[list[dict[str, np.ndarray]]] = []
    read = partial(_read, store=store, both=(teacher, pupil))
    with progress("judging", total=len(held.rows), unit="faces") as bar:
        for part in in_threads(read, batched(held.rows.tolist(), ROWS_AT_ONCE), workers=num_threads):
            parts.append(part)
            bar.advance(ROWS_AT_ONCE)
    known, given = (
        {name: np.concatenate([part[index][name] for part in parts]) for name in parts[0][index]} for index in (0, 1)
    )
    names = dict(zip(held.rows.tolist(), held.person, strict=True))
    person = np.array([names[row] for row in known["row"].tolist()], dtype=object)
    use = known["in_range"] & given["in_range"]
    known_use, given_use = ({name: values[use] for name, values in each.items()} for each in (known, given))
    rows = [row for task in teacher.reader.tasks for row in _rows(task, known_use, given_use, person[use])]
    both_in = given["in_range"][known["in_range"]]
    return Judged(rows, len(both_in), len(set(person[known["in_range"]])), float(both_in.mean() if len(both_in) else 0))


def marked(reader: FaceReader, rows: Sequence[dict[str, Any]]) -> FaceReader:
    """A reader that has the attributes that are experimental in tasks of their own."""
    poor = {row["attribute"] for row in rows if row["experimental"]}
    tasks, outputs, widths = list[ReaderTask](), list(range(FIRST)), list[int]()
    width = 0
    for task, at in zip(reader.tasks, output_slices(reader.tasks).values(), strict=True):
        has_widths = {"points": 1, "values": len(task.columns)}.get(task.kind, 0)
        name = task.name.removesuffix(EXPERIMENTAL)
        if task.kind in ("points", "classes"):
            tasks.append(replace(task, is_experimental=task.is_experimental or task.name in poor))
            outputs += range(FIRST + at.start, FIRST + at.stop)
            widths += range(width, width + has_widths)
        else:
            are_poor = [task.is_experimental or column in poor for column in task.columns]
            for is_poor in (False, True):
                indices = [index for index, each in enumerate(are_poor) if each == is_poor]
                if indices:
                    columns = tuple(task.columns[index] for index in indices)
                    tasks.append(replace(task, name=name + EXPERIMENTAL * is_poor, columns=columns,
                                         is_experimental=is_poor))  # fmt: skip
                outputs += [FIRST + at.start + index for index in indices]
                widths += [width + index for index in indices if has_widths]
        width += has_widths
    return replace(
        reader, tasks=tuple(tasks), coef=reader.coef[:, outputs], wave_coef=reader.wave_coef[:, outputs],
        intercept=reader.intercept[outputs], spread=reader.spread[:, widths],
    )  # fmt: skip


def _read(rows: Sequence[int], *, store: TrackStore, both: tuple[Eyes, Eyes]) -> list[dict[str, np.ndarray]]:
    crops = read_crops(store, rows)
    made = []
    for eyes in both:
        read = eyes.reader.columns(eyes.in_crops(crops.images, crops.boxes_px))
        made.append(read | {"row": np.array(crops.rows, np.int64)})
    return made


def _rows(
    task: ReaderTask, known: dict[str, np.ndarray], given: dict[str, np.ndarray], person: np.ndarray
) -> list[dict[str, Any]]:
    """One row per attribute of a task; of classes, one more for all together."""
    row = partial(_row, person=person, draws=bootstrap_weights(person.astype(str)))
    if task.kind == "points":
        true, made = (each[f"{LANDMARKS}_px"].reshape(len(person), -1, 2) for each in (known, given))
        eyes = np.linalg.norm(true[:, 36] - true[:, 45], axis=1)
        far = 100 * np.linalg.norm(made - true, axis=2).mean(axis=1) / np.maximum(eyes, 1e-6)
        return [row(task.name, "% of the eyes' distance", weighted_mean(far), worst=MAX_DISTANCE)]
    if task.kind == "values":
        return [row(name, "r", correlation(given[name], known[name]), least=MIN_CORRELATION) for name in task.columns]
    rows, areas = [], []
    for name in task.columns:
        is_yes = (
            known[task.name] == name.removeprefix(f"{task.name}_") if task.kind == "classes" else known[name] >= 0.5
        )
        area, few = _share_of(auc(given[name], is_yes.astype(float))), _few(is_yes, person)
        areas += [area] * (not few)
        rows.append(row(name, "AUC", area, least=MIN_AUC, few=few))
    if task.kind == "classes":  # they are read together, so they are experimental together
        few = "" if areas else rows[0]["experimental"]
        rows.insert(0, row(task.name, "mean AUC", mean_of(areas or [area]), least=MIN_AUC, few=few))
    for each in rows:
        if task.is_experimental and not each["experimental"]:
            each["experimental"] = "as in the teacher"
    return rows


def _row(
    name: str,
    metric: str,
    of: Weighted,
    *,
    person: np.ndarray,
    draws: np.ndarray,
    least: float = -np.inf,
    worst: float = np.inf,
    few: str = "",
) -> dict[str, Any]:
    """An attribute's agreement, and why it is experimental."""
    people = len(set(person))
    value = float(of(np.ones((1, len(person)), np.float32))[0])
    low, high = interval(of(draws)) if people >= MIN_PEOPLE else (np.nan, np.nan)
    reason = few
    if not reason and not least <= value <= worst:
        bound = f"less than {least:g}" if value < least else f"more than {worst:g}"
        reason = f"agrees poorly: {bound}" if np.isfinite(value) else "does not vary"
    numbers = {"value": value, "low": low, "high": high}
    return {
        "attribute": name, "metric": metric,
        **{key: round(number, 4) if np.isfinite(number) else None for key, number in numbers.items()},
        "n": len(person), "people": people, "experimental": reason,
    }  # fmt: skip


def _few(is_yes: np.ndarray, person: np.ndarray) -> str:
    """Why nothing is known of a probability; empty if there are enough faces of either kind."""
    for word, which in (("with", is_yes), ("without", ~is_yes)):
        faces, people = int(which.sum()), len(set(person[which]))
        if faces < MIN_FACES or people < MIN_PEOPLE:
            return f"too few {word} it: faces {faces}, people {people}"
    return ""


def _share_of(percent: Weighted) -> Weighted:
    return lambda weights: percent(weights) / 100
