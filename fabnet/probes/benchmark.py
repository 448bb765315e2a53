"""What a protocol asks: labelled faces, their split, and the tasks.

Letters: N faces, P points, K columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fabnet.embedding.attributes import Kind
from fabnet.errors import InputError

__all__ = ["Benchmark", "Normaliser", "Task", "box_side", "point_distance"]


class Normaliser(NamedTuple):
    """What a landmark error is divided by.

    Attributes:
        name: said beside every error: "outer-eye distance".
        measure: (N, P, 2) true points in pixels to (N,) pixels.
    """

    name: str
    measure: Callable[[np.ndarray], np.ndarray]


def point_distance(first: int, second: int, name: str) -> Normaliser:
    """The distance between two of the points, numbered from 0."""
    return Normaliser(name, lambda points: np.linalg.norm(points[:, first] - points[:, second], axis=1))


def box_side() -> Normaliser:
    """The geometric mean of the sides of the box around the points that have a label; NaN where none has."""

    def measure(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt((np.fmax.reduce(points, axis=1) - np.fmin.reduce(points, axis=1)).prod(axis=1)))

    return Normaliser("points' box side", measure)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One thing that is asked of every face.

    Attributes:
        name: "landmarks68", "pose", "smile".
        kind: "points", "angles", "classes" (one of several), "units" (each there or not) or "values".
        targets: (N, K) float64, NaN where a face has no label. Points: x0, y0, x1, y1 ... in pixels of the image, pixel
            centres at integers + 0.5. Angles: degrees. Classes: (N, 1) the number of the class. Units: 0 or 1.
        columns: names: of the angles, classes, units or values; none of points.
        headline: the columns whose mean is the task's figure; empty: all.
        normalisers: of points, the headline's first.
        is_mirrorable: whether a mirrored face has the same label: of classes and units that know no left and right.
    """

    name: str
    kind: Kind
    targets: np.ndarray
    columns: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()
    normalisers: tuple[Normaliser, ...] = ()
    is_mirrorable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Benchmark:
    """A protocol's faces with all that is asked of them.

    Attributes:
        name: of the protocol.
        images: N files, or (H, W, 3) uint8 RGB arrays.
        names: N names, no two alike and the same on every machine: caches and hashed splits go by them.
        split: (N,) "train", "val" or "test". Where none is "val", a part of the training faces (by person, else by
            name) becomes it.
        tasks: one or more.
        people: (N,) who it is; None where people are unnamed.
        clips: (N,) the clip that it comes from, where a person is in several; None: not known.
        photos: (N,) the photo that it was made from, where several faces were made from one; None: each from its own.
        folds: of a cross-validation by person over all faces, in place of the split; 0: none.
        seen_px: (N, 4) x0, y0, x1, y1: the published crop, the part of the image that the network sees; None: the
            detector's crop.
        face_px: (N, 4) x0, y0, x1, y1 of the labelled face, to choose among several detections by; None: the most
            central of the large ones is taken.
    """

    name: str
    images: Sequence[Path | np.ndarray]
    names: Sequence[str]
    split: np.ndarray
    tasks: tuple[Task, ...]
    people: np.ndarray | None = None
    clips: np.ndarray | None = None
    photos: np.ndarray | None = None
    folds: int = 0
    seen_px: np.ndarray | None = None
    face_px: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that all is of one length, and that no two faces share a name.

        Raises:
            InputError: two faces do, or there is none.
        """
        lengths = {len(self.images), len(self.names), len(self.split), *(len(task.targets) for task in self.tasks)}
        optional = (self.people, self.clips, self.photos, self.seen_px, self.face_px)
        lengths |= {len(part) for part in optional if part is not None}
        if len(lengths) != 1:
            raise ValueError(f"a benchmark's parts differ in length: {sorted(lengths)}")
        if len(set(self.names)) != len(self.names):
            twice = next(name for name, count in Counter(self.names).items() if count > 1)
            raise InputError(f"{self.name}: its labels name {twice} more than once; each face must be there once")
        if not self.names:
            raise InputError(f"{self.name}: no face to work on")

    @property
    def owners(self) -> np.ndarray:
        """(N,) what is never parted, and drawn as one: a person's faces, or of people unnamed those of one photo."""
        known = self.people if self.people is not None else self.photos
        return np.array(self.names) if known is None else known
