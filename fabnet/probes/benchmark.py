"""What a protocol asks: labelled faces, their split, and the tasks.

Letter: N faces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.tasks.task import Task

__all__ = ["Benchmark"]


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
