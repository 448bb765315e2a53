"""The catalogue of an embeddings dataset for the page: its faces, attributes, and videos over time.

The video and the predicted attributes of each row are kept in memory; everything else is read on request.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabnet.encoders.face_reader import is_experimental
from fabnet.errors import InputError
from fabnet.files.limits import read_bytes
from fabnet.reading.columns import schema
from fabnet.retrieval.columns import is_text
from fabnet.retrieval.filters import all_of, not_of
from fabnet.retrieval.gallery import LARGE_ROWS, Gallery
from fabnet.retrieval.query import as_vector
from fabnet.serving.answers import Attribute, Classes, Face, FacePage, Timeline, Track, Video
from fabnet.serving.conditions import Condition, read_condition

__all__ = ["Catalogue"]

MAX_TIMELINE_ROWS = 2000
MAX_TRACKS = 200
MAX_CLASSES = 200
MAX_CLASS_LETTERS = 200
NAMES = ("id", "identity", "video", "track")
SHOWN = (*NAMES, "frame", "time_s")
HALF_WIDTH = "_pm"
"""Ending of the columns of half-widths."""
OWN = frozenset(schema(0, thumbnails=True).names)


class Catalogue:
    """Answers the page's queries about an embeddings dataset.

    Args:
        gallery: the dataset.

    Raises:
        InputError: it has no thumbnails, or no face.
        StoreError: a required column has another type than `embed` writes.
    """

    def __init__(self, gallery: Gallery) -> None:
        gallery.check()
        if not gallery.has_thumbnails:
            raise InputError(f"{gallery.path} has no thumbnails to show: embed again, with thumbnails")
        self.gallery = gallery
        self.version = _version(gallery)
        self.num_rows = gallery.num_rows
        if not self.num_rows:
            raise InputError(f"{gallery.path} has no rows to show: embed pictures or videos into it")
        fields = [field for field in gallery.fields if field.name not in OWN]
        numbers = [field.name for field in fields if pa.types.is_floating(field.type)]
        flags = [field.name for field in fields if pa.types.is_boolean(field.type)]
        texts = [field.name for field in fields if is_text(field.type)] + flags
        self._flags, self._experimental = set(flags), {field.name for field in fields if is_experimental(field)}
        batches = list(gallery.scan(["video", "track", "identity", "reason", *numbers, *texts]))
        table = pa.Table.from_batches(batches)
        has_face = pc.equal(_text(table["reason"]), "").to_numpy(zero_copy_only=False)
        self.faces: np.ndarray = np.flatnonzero(has_face)
        if not len(self.faces):
            raise InputError(f"{gallery.path} has no face to show: all of its {self.num_rows} rows are without one")
        self.num_identities = len(table["identity"].drop_null().unique())
        self._videos, self._video_codes = _coded(table["video"])
        self._tracks, track_codes = _coded(table["track"])
        both = self._video_codes.astype(np.int64) * max(1, len(self._tracks)) + track_codes
        self._video_tracks, codes = np.unique(both, return_inverse=True)
        self._track_codes: np.ndarray = codes.astype(np.int32)
        self._has_face = has_face
        self._numbers: dict[str, np.ndarray] = {name: _floats(table[name]) for name in numbers}
        coded = {name: _coded(table[name]) for name in texts}
        self._classes = {name: each for name, each in coded.items() if _are_classes(each[0])}
        self.notes = [*gallery.notes, *_without(name for name in texts if name not in self._classes)]
        self._select = lru_cache(maxsize=8)(self._selected)
        self._stand_for = lru_cache(maxsize=8)(self._standing_for)

    @property
    def num_tracks(self) -> int:
        """Number of tracks with a face."""
        return len(np.unique(self._track_codes[self.faces]))

    @property
    def classes(self) -> list[Classes]:
        """The columns of classes."""
        return [Classes(name, sorted(filter(None, values))) for name, (values, _) in self._classes.items()]

    @property
    def attributes(self) -> list[Attribute]:
        """The columns of numbers with at least one finite value."""
        found = []
        for name, values in self._numbers.items():
            if name.endswith(HALF_WIDTH) and name.removesuffix(HALF_WIDTH) in self._numbers:
                continue
            finite = values[np.isfinite(values)]
            owner = next((each for each in self._classes if name.startswith(f"{each}_")), None)
            value = None if owner is None else name.removeprefix(f"{owner}_")
            if owner is not None and any(each.startswith(f"{owner}_") for each in self._classes[owner][0]):
                value = name  # `read` names a class as its column
            half_width = name + HALF_WIDTH if name + HALF_WIDTH in self._numbers else None
            if len(finite):
                low, high = float(finite.min()), float(finite.max())
                found.append(Attribute(name, low, high, owner, value, half_width, name in self._experimental))
        return found

    def condition(self, texts: Sequence[str]) -> Condition:
        """Read conditions, see `read_condition`."""
        classes = {each.column: each.values for each in self.classes}
        return read_condition(texts, list(self._numbers), classes, self._flags)

    def numbers(self, column: str) -> np.ndarray:
        """A column of numbers: (rows,) float32, NaN if missing.

        Raises:
            InputError: there is no such column.
        """
        if column not in self._numbers:
            known = ", ".join(self._numbers) or "none"
            raise InputError(f"there is no column {column!r} of numbers; the dataset has {known}")
        return self._numbers[column]

    def select(self, condition: Condition) -> np.ndarray:
        """The numbers of the rows that have a face and meet a condition, in order, int64."""
        return np.asarray(self._select(condition))

    def _selected(self, condition: Condition) -> np.ndarray:
        mask = self._has_face.copy()
        for each in condition.ranges:
            values = self._numbers[each.column]
            with np.errstate(over="ignore"):  # a bound may be beyond float32
                mask &= (values >= np.float32(each.low)) & (values <= np.float32(each.high))
        for chosen in condition.choices:
            values, codes = self._classes[chosen.column]
            mask &= codes == int(np.flatnonzero(values == chosen.value)[0])
        return np.flatnonzero(mask)

    def page(self, condition: Condition, start: int, count: int, *, track_of: int | None = None) -> FacePage:
        """A range of the faces that meet a condition, of all tracks or of the track of a row."""
        rows = self.select(condition)
        if track_of is not None:
            rows = rows[self._track_codes[rows] == self._track_codes[track_of]]
        return FacePage(len(rows), start, self.read(rows[start : start + count].tolist()))

    def page_of_tracks(self, condition: Condition, start: int, count: int) -> FacePage:
        """A range of the tracks of these faces: the middle face of each, with their number."""
        rows, counts = self._stand_for(condition)
        part = slice(start, start + count)
        faces = self.read(rows[part].tolist())
        shown = [replace(face, count=int(each)) for face, each in zip(faces, counts[part], strict=True)]
        return FacePage(len(rows), start, shown)

    def _standing_for(self, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
        """The row that stands for each track, in the order of each track's first row, and the track's count of rows."""
        rows = self.select(condition)
        order = np.argsort(self._track_codes[rows], kind="stable")
        _, begins, counts = np.unique(self._track_codes[rows][order], return_index=True, return_counts=True)
        by_first = np.argsort(rows[order][begins], kind="stable")
        return rows[order][begins + counts // 2][by_first], counts[by_first]

    def read(self, rows: Sequence[int]) -> list[Face]:
        """Read faces by row number."""
        found = self.gallery.take(rows, [*SHOWN, *self._numbers, *self._classes])
        return [self._face(row, number) for number, row in zip(rows, found, strict=True)]

    def _face(self, row: dict[str, Any], number: int, similarity: float | None = None) -> Face:
        attributes: dict[str, float | str | None] = {name: _finite(row[name]) for name in self._numbers}
        attributes |= {name: _word(row[name]) for name in self._classes}
        names: dict[str, Any] = {name: row[name] or "" for name in NAMES}
        return Face(
            row=number, **names, frame=row["frame"], time_s=_finite(row["time_s"]), attributes=attributes,
            similarity=similarity,
        )  # fmt: skip

    def thumbnail(self, row: int) -> bytes | None:
        """The thumbnail of a row as JPEG; None if it has no face."""
        data = self.gallery.take([row], ["thumbnail"])[0]["thumbnail"]
        return None if data is None else bytes(data)

    def nearest(
        self,
        vector: np.ndarray,
        k: int,
        condition: Condition,
        *,
        not_row: int | None = None,
        other_people: bool = False,
    ) -> list[Face]:
        """The faces most similar to a vector, the most similar first.

        Args:
            vector: (D,) float.
            k: maximum number of faces.
            condition: the condition that they meet.
            not_row: a row to leave out.
            other_people: also leave out the person of that row.
        """
        people = [self.gallery.take([not_row], ["identity"])[0]["identity"]] if not_row is not None else []
        where = all_of(condition.to_sql(), not_of(people) if other_people else None)
        use_index = self.num_rows > LARGE_ROWS and self.gallery.has_index
        found = self.gallery.nearest(vector, k + 1, where=where, use_index=use_index, numbers=True)
        faces = [self._face(row, row["row"], float(row["similarity"])) for row in found if row["row"] != not_row]
        return faces[:k]

    def embedding(self, row: int) -> np.ndarray | None:
        """(D,) float32; None if the row has no face, or its embedding contains NaN, infinity or nulls."""
        return as_vector(self.gallery.take([row], ["embedding"])[0]["embedding"])

    def videos(self, contains: str, limit: int) -> list[Video]:
        """Videos of two or more rows whose name contains a text, sorted by name."""
        total = np.bincount(self._video_codes, minlength=len(self._videos))
        faces = np.bincount(self._video_codes[self.faces], minlength=len(self._videos))
        wanted = contains.casefold()
        named = sorted(
            (str(self._videos[code]), code)
            for code in np.flatnonzero(total >= 2).tolist()
            if wanted in str(self._videos[code]).casefold()
        )
        return [Video(name, int(faces[code]), int(total[code] - faces[code])) for name, code in named[:limit]]

    def timeline(
        self, video: str, *, track: str | None = None, first: int = 0, last: int | None = None
    ) -> Timeline | None:
        """A video over time, with at most `MAX_TIMELINE_ROWS` rows, evenly chosen; None: there is no such video.

        Args:
            video: its name.
            track: only the faces of this track, and frames without a face; None: all.
            first: index of the first row to show, among these.
            last: index of the last one; None: to the end.
        """
        code = np.flatnonzero(self._videos == video)
        if not len(code):
            return None
        numbers = np.flatnonzero(self._video_codes == code[0])
        with_face, counts = np.unique(self._track_codes[numbers][self._has_face[numbers]], return_counts=True)
        tracks = sorted(zip(map(self._track_name, with_face), counts.tolist(), strict=True), key=lambda each: -each[1])
        if track is not None:
            own = with_face[[self._track_name(each) == track for each in with_face]]
            numbers = numbers[~self._has_face[numbers] | np.isin(self._track_codes[numbers], own)]
        total = len(numbers)
        indices = np.arange(total)[first : None if last is None else last + 1]
        indices = indices[_thinned(len(indices), MAX_TIMELINE_ROWS)]
        numbers = numbers[indices]
        rows = self.gallery.take(numbers.tolist(), ["frame", "time_s"])
        seconds, frames = ([_finite(row[name]) for row in rows] for name in ("time_s", "frame"))
        is_frames = None in seconds
        when = [float(index) for index in indices]
        for known in (frames, seconds):  # seconds if every row has them, else frames
            when = when if None in known else [float(each or 0) for each in known]
        order = np.argsort(when, kind="stable")
        chosen = numbers[order]
        return Timeline(
            video=video,
            is_frames=is_frames,
            rows=[int(number) if self._has_face[number] else None for number in chosen],
            times=[when[index] for index in order],
            tracks=[self._track_name(each) for each in self._track_codes[chosen]],
            attributes={name: [_finite(value) for value in each[chosen]] for name, each in self._numbers.items()},
            classes={name: values[codes[chosen]].tolist() for name, (values, codes) in self._classes.items()},
            places=indices[order].tolist(),
            total=total,
            all_tracks=[Track(*each) for each in tracks[:MAX_TRACKS]],
        )

    def _track_name(self, code: int) -> str:
        return str(self._tracks[self._video_tracks[code] % max(1, len(self._tracks))])


def _thinned(count: int, most: int) -> np.ndarray:
    """At most `most` indices, one from each of equal parts of a sequence: the first of the first part, the second of
    the second part and so on, so that neither of two alternating kinds (e.g. two people in a video) is left out."""
    every = max(1, -(-count // most))
    starts = np.arange(0, count, every)
    return np.asarray(np.minimum(starts + np.arange(len(starts)) % every, count - 1))


def _version(gallery: Gallery) -> str:
    """A name for the state of a dataset when it was opened; any change or replacement gives another name."""
    state = gallery.state or ("",)
    try:
        content = read_bytes(gallery.path / "_versions" / state[0])
    except FileNotFoundError:  # the dataset has changed since then
        content = repr(state).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of a text column ("" for null), and the index of each row's value, int32."""
    encoded = _text(column).dictionary_encode()
    return np.array(encoded.dictionary.to_pylist(), dtype=object), encoded.indices.to_numpy()


def _text(column: pa.ChunkedArray) -> pa.Array:
    """A text column of any Arrow type as one array of strings, "" for null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string()).fill_null("").combine_chunks()


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers as float32: NaN for null, infinity for values out of range."""
    with np.errstate(over="ignore"):
        return np.asarray(column.to_numpy().astype(np.float32))


def _word(value: Any) -> str | None:
    """A class, or whether a flag is set, as text."""
    return str(value).lower() if isinstance(value, bool) else value


def _are_classes(values: np.ndarray) -> bool:
    return len(values) <= MAX_CLASSES and all(len(value) <= MAX_CLASS_LETTERS for value in values)


def _without(columns: Iterable[str]) -> list[str]:
    named = ", ".join(map(repr, columns))
    return [f"text columns with over {MAX_CLASSES} or very long values are not shown: {named}"] if named else []


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
