"""The content of a protocol: labelled faces, their split and the tasks.

Letter: N faces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.probes.tasks.task import Task

__all__ = ["Benchmark"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Benchmark:
    """A protocol's labelled faces with their split and tasks.

    Attributes:
        name: name of the protocol.
        images: N files, or (H, W, 3) uint8 RGB arrays.
        names: N unique names, the same on every machine: caches and hashed splits use them as keys.
        split: (N,) "train", "val" or "test". If none is "val", a part of the training faces (by person, else by name)
            becomes it.
        tasks: one or more tasks.
        people: (N,) the person of each face; None if people are unnamed.
        clips: (N,) the clip of each face, where a person is in several; None if unknown.
        photos: (N,) the photo of each face, where several faces were made from one; None: one face per photo.
        folds: folds of a cross-validation by person over all faces, instead of the split; 0: none.
        seen_px: (N, 4) x0, y0, x1, y1: the published crop, the part of the image that the network sees; None: the
            detector's crop.
        face_px: (N, 4) x0, y0, x1, y1 of the labelled face, to choose among several detections, and in their place if
            there is none; None: the most central of the large ones.
        left_out: labelled images that cannot be read: (name, reason).
        notes: remarks for those who read its scores.
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
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that all parts have one length and that no two faces share a name.

        Raises:
            InputError: two faces share a name, or there are no faces.
        """
        lengths = {len(self.images), len(self.names), len(self.split), *(len(task.targets) for task in self.tasks)}
        optional = (self.people, self.clips, self.photos, self.seen_px, self.face_px)
        lengths |= {len(part) for part in optional if part is not None}
        if len(lengths) != 1:
            raise ValueError(f"a benchmark's parts differ in length: {sorted(lengths)}")
        if len(set(self.names)) != len(self.names):
            twice = next(name for name, count in Counter(self.names).items() if count > 1)
            raise InputError(f"{self.name}: its labels name {twice} more than once; expected each face once")
        if not self.names:
            raise InputError(f"{self.name} has no faces")

    def part(self, places: Sequence[int], left_out: Sequence[tuple[str, str]]) -> Benchmark:
        """Select some of the faces, in order.

        Args:
            places: indices of the faces.
            left_out: the other faces: (name, reason).
        """
        of_faces = {name: getattr(self, name) for name in ("people", "clips", "photos", "seen_px", "face_px")}
        return replace(
            self,
            images=[self.images[place] for place in places],
            names=[self.names[place] for place in places],
            split=self.split[places],
            tasks=tuple(replace(task, targets=task.targets[places]) for task in self.tasks),
            left_out=tuple(left_out),
            **{name: values[places] for name, values in of_faces.items() if values is not None},
        )

    @property
    def owners(self) -> np.ndarray:
        """(N,) groups that are never split and are drawn as one: people, else photos, else single faces."""
        known = self.people if self.people is not None else self.photos
        return np.array(self.names) if known is None else known
