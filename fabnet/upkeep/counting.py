"""Counts people, videos and tracks of a table in one pass; memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabnet.runtime.progress import progress

__all__ = ["MOST_COUNTED", "MOST_ROWS", "count_names"]

MOST_COUNTED = 250_000
"""Names of a kind that are told apart; beyond, their number is left open."""
MOST_ROWS = 5_000_000
"""Rows beyond which names are not counted: some ten seconds of reading."""


def count_names(
    batches: Iterable[pa.RecordBatch], *, person: str, video: str, track: str, reason: str | None
) -> dict[str, Any]:
    """Count.

    Args:
        batches: of a table, with the columns below.
        person: name of the column of people.
        video: name of the column of videos.
        track: name of the column of tracks, whose names are unique in a video.
        reason: name of the column that is empty where there is a face; None: each row has one.

    Returns:
        `rows`, `faces`, `people`, `videos`, `tracks`; None for a number above `MOST_COUNTED`.
    """
    rows = faces = 0
    found: dict[str, set[int]] = {"people": set(), "videos": set(), "tracks": set()}
    with progress("counting", unit="rows") as bar:
        for batch in batches:
            rows += len(batch)
            bar.advance(len(batch))
            if reason is not None:
                why = _text(batch.column(reason))
                batch = batch.filter(pc.equal(why, ""))
            faces += len(batch)
            people, videos, tracks = (_text(batch.column(name)) for name in (person, video, track))
            _add(found["people"], [(name,) for name in people.unique().to_pylist() if name])
            _add(found["videos"], [(name,) for name in videos.unique().to_pylist()])
            _add(found["tracks"], _pairs(videos, tracks))
    counts = {name: None if len(each) > MOST_COUNTED else len(each) for name, each in found.items()}
    return {"rows": rows, "faces": faces, **counts}


def _add(found: set[int], names: Iterable[tuple[str, ...]]) -> None:
    """Add hashes of names, up to one more than are counted."""
    for name in names:
        if len(found) > MOST_COUNTED:
            return
        found.add(hash(name))


def _pairs(one: pa.Array, other: pa.Array) -> list[tuple[str, ...]]:
    """The distinct pairs of two columns."""
    if not len(one):
        return []
    coded = [each.dictionary_encode() for each in (one, other)]
    codes = np.unique(np.stack([each.indices.to_numpy() for each in coded]), axis=1)
    names = [each.dictionary.take(pa.array(part)).to_pylist() for each, part in zip(coded, codes, strict=True)]
    return list(zip(*names, strict=True))


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string()).fill_null("")
