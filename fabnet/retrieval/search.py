"""`fabnet search`: finds the nearest faces in an embeddings dataset by cosine similarity.

Source: paper, section 5.3: images are ranked by the cosine similarity of their embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fabnet.errors import FabnetError, InputError
from fabnet.files.lance_lock import locked
from fabnet.files.places import is_same_file
from fabnet.options import takes
from fabnet.retrieval.filters import all_of, in_time, in_video, not_of
from fabnet.retrieval.gallery import LARGE_ROWS, Gallery, Neighbour
from fabnet.retrieval.options import SearchOptions
from fabnet.retrieval.query import read_query
from fabnet.retrieval.sheet import decode_stored, sheet_png, write_sheet
from fabnet.runtime.notebook import facts, listing, picture

__all__ = ["SearchResult", "search"]

SHOWN = 50
"""Neighbours that a notebook shows."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The nearest faces."""

    data: Path
    """Path of the dataset."""
    query: tuple[str, ...]
    """Names of the photos and ids of the rows in the query."""
    rows: int
    """Number of rows in the dataset."""
    method: Literal["exact", "index"]
    """Search method."""
    where: str | None
    """Condition on the neighbours, in SQL; None: no condition."""
    notes: tuple[str, ...]
    """Limitations of this result, for the user."""
    neighbours: tuple[Neighbour, ...]
    """Neighbours, the most similar first: columns of their rows, `rank` from 1, and `similarity`, the cosine."""
    sheet: Path | None
    """Path of the contact sheet; None if none was requested."""
    asked: tuple[tuple[np.ndarray | None, str], ...]
    """Face of each photo and row in the query, (H, W, 3) uint8 RGB or None if there is no thumbnail, and its name."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {
            "data": str(self.data),
            "query": list(self.query),
            "rows": self.rows,
            "method": self.method,
            "where": self.where,
            "notes": list(self.notes),
            "neighbours": list(self.neighbours),
            "sheet": None if self.sheet is None else str(self.sheet),
        }

    def faces(self, most: int | None = None) -> list[tuple[np.ndarray | None, Neighbour]]:
        """Read the faces of the neighbours from the dataset.

        Args:
            most: upper bound of the neighbours; None: all.

        Returns:
            Each neighbour's face, (H, W, 3) uint8 RGB, or None if the dataset has no thumbnail of it; and its row.

        Raises:
            StoreError: the dataset is gone.
            InputError: a neighbour is not in it any more.
        """
        rows, gallery = self.neighbours[:most], Gallery(self.data)
        found: Sequence[dict[str, Any]] = [{}] * len(rows)
        if rows and gallery.has_thumbnails:
            found = gallery.rows([row["id"] for row in rows], ["thumbnail"])
        faces = [decode_stored(each.get("thumbnail")) for each in found]
        return list(zip(faces, rows, strict=True))

    def _repr_html_(self) -> str:
        rows = [
            (row["rank"], f"{row['similarity']:.4f}", row["id"], row["identity"]) for row in self.neighbours[:SHOWN]
        ]
        title = f"nearest to {', '.join(self.query)}: {self.method} among {self.rows:,} rows of {self.data}"
        try:
            drawn = picture(sheet_png(self.asked, self.faces(SHOWN)), "png", words="the query and its neighbours")
        except FabnetError as error:  # the dataset has changed since
            drawn = facts("no pictures", [("because", error)])
        left = len(self.neighbours) - len(rows)
        more = facts(f"... and {left:,} more", []) if left else ""
        notes = "".join(facts(f"note: {note}", []) for note in self.notes)
        return drawn + listing(title, ("rank", "similarity", "id", "identity"), rows) + more + notes


@takes(SearchOptions)
def search(
    data: str | Path | Gallery,
    query: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
    options: SearchOptions | None = None,
    **changes: Any,
) -> SearchResult:
    """Find the faces most similar to a photo, a row, or the mean of several.

    Args:
        data: an embeddings dataset that `embed` wrote (Lance), or one that is open already.
        query: a photo (a file, or an (H, W, 3) uint8 RGB array), the id of a row, or several of these, whose mean
            direction is searched for.
        options: all options as one object; or give them by name.

    Returns:
        The neighbours; a row that was searched for is none of them.

    Raises:
        StoreError: there is no such dataset, its columns hold something else than `embed` writes, or an index is to
            be built while another command writes to it.
        InputError: a row, a photo or a column is not there, a condition cannot be asked of every row, the sheet is no
            .png file, or the dataset has no thumbnails for it.
        NoFaceError: a photo has no face.
        ModelError: the dataset's model is not known, or is another one.
        OutputError: the index or the sheet cannot be written.
    """
    options = SearchOptions.of(options, changes)
    k, sheet, times = options.k, options.sheet, options.times
    gallery = data if isinstance(data, Gallery) else Gallery(data)
    given: list[str | Path | np.ndarray] = [query] if isinstance(query, str | Path | np.ndarray) else list(query)
    gallery.check(*(["time_s"] if times != (None, None) else []))
    where = None if options.where is None else gallery.in_own_names(options.where)
    if where is not None:
        gallery.check_filter(where)
    if sheet is not None:
        if not gallery.has_thumbnails:
            raise InputError(f"{gallery.path} has no thumbnails for a sheet: embed again, with thumbnails")
        if any(not isinstance(each, np.ndarray) and is_same_file(Path(each), sheet) for each in given):
            raise InputError(f"{sheet} is a photo of the query, which the sheet would replace: choose another --sheet")
    asked = read_query(
        gallery, given, model=options.model, crop=options.crop, min_face=options.min_face, device=options.device
    )
    condition = all_of(
        where,
        None if options.video is None else in_video(options.video),
        in_time(*times),
        not_of(asked.identities) if options.other_identities else None,
    )
    rows = gallery.num_rows
    use_index = options.index or (rows > LARGE_ROWS and not options.exact)
    if use_index and not gallery.has_index:
        with locked(gallery.path):
            gallery.build_index()
    found = gallery.nearest(
        asked.vector, k + len(asked.ids), where=condition, use_index=use_index, thumbnails=sheet is not None
    )
    others = [row for row in found if row["id"] not in asked.ids][:k]
    faces = [row.pop("thumbnail", None) for row in others]
    names = tuple("a picture" if isinstance(each, np.ndarray) else str(each) for each in given)
    result = SearchResult(
        data=gallery.path,
        query=names,
        rows=rows,
        method="index" if use_index else "exact",
        where=condition,
        notes=(
            *gallery.notes,
            *([] if where == options.where else [f"the condition {options.where!r} is read as {where!r}"]),
            *_notes(options.other_identities, len(given) - len(asked.ids), asked.identities, len(others), k),
            *asked.notes,
        ),
        neighbours=tuple({"rank": rank, **row} for rank, row in enumerate(others, 1)),
        sheet=sheet,
        asked=tuple(
            zip(asked.pictures, (name if name in asked.ids else Path(name).name for name in names), strict=True)
        ),
    )
    if result.sheet is not None:
        write_sheet(result.sheet, result.asked, list(zip(faces, result.neighbours, strict=True)))
    return result


def _notes(
    other_identities: bool, num_photos: int, identities: Sequence[str | None], found: int, k: int
) -> tuple[str, ...]:
    notes = []
    if other_identities and None in identities:
        notes.append("a row in the query has no identity, so nobody is left out for it")
    if other_identities and num_photos:
        notes.append(
            "the person in a photo is not known, so nobody is left out for it: give the id of a row, or "
            "--where \"identity != 'NAME'\""
        )
    if found < k:
        fewer = f"only {found} faces meet" if found > 1 else "only one face meets" if found else "no face meets"
        notes.append(f"{fewer} the conditions; {k} were requested")
    return tuple(notes)
