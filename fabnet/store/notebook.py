"""A track store as text and, in notebooks, as its counts and some of its faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fabnet.errors import FabnetError
from fabnet.runtime.notebook import facts, picture
from fabnet.store.evenly import evenly
from fabnet.store.index import TrackIndex
from fabnet.store.schema import SPLITS

__all__ = ["html_of", "text_of"]

NUM_FACES, FACE_PX = 8, 96


def text_of(path: Path, count_rows: Callable[[], int]) -> str:
    """A store in one line; one that cannot be read says why."""
    try:
        held = f"{count_rows():,} rows"
    except FabnetError as error:
        held = str(error)
    return f"<fabnet track store {str(path)!r}: {held}>"


def html_of(path: Path, find_tracks: Callable[[], TrackIndex], read_images: Callable[[np.ndarray], list[bytes]]) -> str:
    """What a store holds and some of its faces, as HTML; one that cannot be read says why."""
    title = f"track store {path}"
    try:
        index = find_tracks()
        chosen = evenly(len(index), NUM_FACES)
        images = read_images(index.starts[chosen] + index.lengths[chosen] // 2)
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
        picture(image, "jpeg", words=f"{index.identity[each]}, {index.video[each]}", width_px=FACE_PX)
        for image, each in zip(images, chosen.tolist(), strict=True)
    ]
    return facts(title, rows) + "".join(faces)
