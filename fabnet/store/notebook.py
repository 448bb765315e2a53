"""A track store as text and, in notebooks, as its counts and some of its faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fabnet.errors import FabnetError
from fabnet.runtime.notebook import facts, picture
from fabnet.store.index import TrackIndex
from fabnet.store.schema import SPLITS

__all__ = ["ShownStore"]

NUM_FACES, FACE_PX = 8, 96


class ShownStore:
    """How a track store is shown; a store that cannot be read says why."""

    path: Path

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        raise NotImplementedError

    def index(self, split: str | None = None, min_frames: int = 2) -> TrackIndex:
        """Find the tracks of a split."""
        raise NotImplementedError

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        """Read the JPEG bytes of rows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        try:
            held = f"{self.num_rows:,} rows"
        except FabnetError as error:
            held = str(error)
        return f"<fabnet track store {str(self.path)!r}: {held}>"

    def _repr_html_(self) -> str:
        title = f"track store {self.path}"
        try:
            index = self.index(min_frames=1)
            places = np.unique(np.linspace(0, max(len(index) - 1, 0), NUM_FACES).round().astype(int))[: len(index)]
            images = self.read_images(index.starts[places] + index.lengths[places] // 2)
        except FabnetError as error:
            return facts(title, [("cannot be read", error)])
        rows = [
            ("face crops", f"{index.num_rows:,}"),
            ("tracks", f"{len(index):,}"),
            ("videos", f"{len(np.unique(index.video)):,}"),
            ("identities", f"{len(np.unique(index.identity)):,}"),
        ]
        for name in SPLITS:
            split = index.select(name)
            people = len(np.unique(split.identity))
            rows.append((name, f"{split.num_rows:,} crops, {len(split):,} tracks, {people:,} identities"))
        faces = [
            picture(image, "jpeg", words=f"{index.identity[place]}, {index.video[place]}", width_px=FACE_PX)
            for image, place in zip(images, places.tolist(), strict=True)
        ]
        return facts(title, rows) + "".join(faces)
