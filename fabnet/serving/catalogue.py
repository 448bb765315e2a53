"""What the page shows of an embeddings dataset: faces by the page, the attributes there are, videos over time.

In memory lie, for each row, its video and its predicted attributes as numbers; all else is read when it is asked for.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabnet.errors import InputError
from fabnet.files.limits import read_bytes
from fabnet.reading.rows import schema
from fabnet.retrieval.columns import is_text
from fabnet.retrieval.filters import all_of, not_of
from fabnet.retrieval.gallery import LARGE_ROWS, Gallery
from fabnet.retrieval.query import as_vector
from fabnet.serving.conditions import Condition, read_condition

__all__ = ["Attribute", "Catalogue", "Classes", "Face", "FacePage", "Timeline", "Video"]

MAX_TIMELINE_ROWS = 2000
MAX_CLASSES = 200
MAX_CLASS_LETTERS = 200
NAMES = ("id", "identity", "video", "track")
SHOWN = (*NAMES, "frame", "time_s")
OWN = frozenset(schema(0, thumbnails=True).names)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A number that a probe predicts of each face: its column, the smallest and the largest there is; of a class's
    probability the column of its classes, and the class."""

    column: str
    low: float
    high: float
    classes: str | None
    value: str | None


@dataclass(frozen=True, slots=True)
class Classes:
    """A class that a probe predicts of each face: its column, and the classes that there are."""

    column: str
    values: list[str]


@dataclass(frozen=True, slots=True)
class Face:
    """A face: the number of its row, what names it ("" or None where the dataset does not say), and what probes
    predict; of a neighbour the cosine, -1 to 1."""

    row: int
    id: str
    identity: str
    video: str
    track: str
    frame: int | None
    time_s: float | None
    attributes: dict[str, float | str | None]
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class FacePage:
    """Some of the faces that meet a condition, and how many do."""

    total: int
    start: int
    faces: list[Face]


@dataclass(frozen=True, slots=True)
class Video:
    """A video: its name, and how many rows it has with and without a face."""

    name: str
    faces: int
    without_face: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A video's rows in the order of time: their numbers (None: no face in the frame), when (seconds, or frames where
    `is_frames`; where the dataset does not say either, the place in the video), their tracks, and the attributes, a
    list a column."""

    video: str
    is_frames: bool
    rows: list[int | None]
    times: list[float]
    tracks: list[str]
    attributes: dict[str, list[float | None]]


class Catalogue:
    """An embeddings dataset as the page asks for it.

    Args:
        gallery: the dataset.

    Raises:
        InputError: it has no thumbnails, or no face.
        StoreError: a column holds something else than `embed` writes there, and nothing can be shown without it.
    """

    def __init__(self, gallery: Gallery) -> None:
        gallery.check()
        if not gallery.has_thumbnails:
            raise InputError(f"{gallery.path} holds no thumbnails to show: embed again, with thumbnails")
        self.gallery = gallery
        self.version = _version(gallery)
        self.num_rows = gallery.num_rows
        if not self.num_rows:
            raise InputError(f"{gallery.path} holds no rows to show: embed pictures or videos into it")
        fields = [field for field in gallery.fields if field.name not in OWN]
        numbers = [field.name for field in fields if pa.types.is_floating(field.type)]
        texts = [field.name for field in fields if is_text(field.type)]
        batches = list(gallery.scan(["video", "identity", "reason", *numbers, *texts]))
        table = pa.Table.from_batches(batches)
        has_face = pc.equal(_text(table["reason"]), "").to_numpy(zero_copy_only=False)
        self.faces: np.ndarray = np.flatnonzero(has_face)
        if not len(self.faces):
            raise InputError(f"{gallery.path} holds no face: {self.num_rows} rows, all without one")
        self.num_identities = len(table["identity"].drop_null().unique())
        self._videos, self._video_codes = _coded(table["video"])
        self._has_face = has_face
        self._numbers: dict[str, np.ndarray] = {name: _floats(table[name]) for name in numbers}
        coded = {name: _coded(table[name]) for name in texts}
        self._classes = {name: each for name, each in coded.items() if _are_classes(each[0])}
        self.notes = [*gallery.notes, *_without(name for name in texts if name not in self._classes)]
        self._select = lru_cache(maxsize=8)(self._selected)

    @property
    def classes(self) -> list[Classes]:
        """The columns of classes."""
        return [Classes(name, sorted(filter(None, values))) for name, (values, _) in self._classes.items()]

    @property
    def attributes(self) -> list[Attribute]:
        """The columns of numbers that hold any."""
        found = []
        for name, values in self._numbers.items():
            finite = values[np.isfinite(values)]
            owner = next((each for each in self._classes if name.startswith(f"{each}_")), None)
            value = None if owner is None else name.removeprefix(f"{owner}_")
            if len(finite):
                found.append(Attribute(name, float(finite.min()), float(finite.max()), owner, value))
        return found

    def condition(self, texts: Sequence[str]) -> Condition:
        """Read conditions, see `read_condition`."""
        return read_condition(texts, list(self._numbers), {each.column: each.values for each in self.classes})

    def numbers(self, column: str) -> np.ndarray:
        """A column of numbers: (rows,) float32, NaN where there is none.

        Raises:
            InputError: there is no such column.
        """
        if column not in self._numbers:
            raise InputError(f"there is no column {column!r} of numbers; there is {', '.join(self._numbers) or 'none'}")
        return self._numbers[column]

    def select(self, condition: Condition) -> np.ndarray:
        """The numbers of the rows that have a face and meet a condition, in order, int64."""
        return np.asarray(self._select(condition))

    def _selected(self, condition: Condition) -> np.ndarray:
        mask = self._has_face.copy()
        for each in condition.ranges:
            values = self._numbers[each.column]
            with np.errstate(over="ignore"):  # of a bound that is beyond every float32
                mask &= (values >= np.float32(each.low)) & (values <= np.float32(each.high))
        for chosen in condition.choices:
            values, codes = self._classes[chosen.column]
            mask &= codes == int(np.flatnonzero(values == chosen.value)[0])
        return np.flatnonzero(mask)

    def page(self, condition: Condition, start: int, count: int) -> FacePage:
        """Some of the faces that meet a condition."""
        rows = self.select(condition)
        return FacePage(len(rows), start, self.read(rows[start : start + count].tolist()))

    def read(self, rows: Sequence[int]) -> list[Face]:
        """Faces by the numbers of their rows."""
        found = self.gallery.take(rows, [*SHOWN, *self._numbers, *self._classes])
        return [self._face(row, number) for number, row in zip(rows, found, strict=True)]

    def _face(self, row: dict[str, Any], number: int, similarity: float | None = None) -> Face:
        attributes: dict[str, float | str | None] = {name: _finite(row[name]) for name in self._numbers}
        attributes |= {name: row[name] for name in self._classes}
        names = {name: row[name] or "" for name in NAMES}
        return Face(
            row=number, **names, frame=row["frame"], time_s=_finite(row["time_s"]), attributes=attributes,
            similarity=similarity,
        )  # fmt: skip

    def thumbnail(self, row: int) -> bytes | None:
        """The JPEG of a row's face; None where it has none."""
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
            k: how many at most.
            condition: that they meet.
            not_row: a row that is left out.
            other_people: leave out the person of that row, too.
        """
        people = [self.gallery.take([not_row], ["identity"])[0]["identity"]] if not_row is not None else []
        where = all_of(condition.to_sql(), not_of(people) if other_people else None)
        use_index = self.num_rows > LARGE_ROWS and self.gallery.has_index
        found = self.gallery.nearest(vector, k + 1, where=where, use_index=use_index, numbers=True)
        faces = [self._face(row, row["row"], float(row["similarity"])) for row in found if row["row"] != not_row]
        return faces[:k]

    def embedding(self, row: int) -> np.ndarray | None:
        """(D,) float32; None of a row without a face, or whose embedding holds NaN, infinity or nulls."""
        return as_vector(self.gallery.take([row], ["embedding"])[0]["embedding"])

    def videos(self, contains: str, limit: int) -> list[Video]:
        """Videos of two rows or more whose name holds a text, in the order of their names."""
        total = np.bincount(self._video_codes, minlength=len(self._videos))
        faces = np.bincount(self._video_codes[self.faces], minlength=len(self._videos))
        wanted = contains.casefold()
        named = sorted(
            (str(self._videos[code]), code)
            for code in np.flatnonzero(total >= 2).tolist()
            if wanted in str(self._videos[code]).casefold()
        )
        return [Video(name, int(faces[code]), int(total[code] - faces[code])) for name, code in named[:limit]]

    def timeline(self, video: str) -> Timeline | None:
        """A video over time, its rows thinned out evenly to two thousand; None: there is no such video."""
        code = np.flatnonzero(self._videos == video)
        if not len(code):
            return None
        numbers = np.flatnonzero(self._video_codes == code[0])
        numbers = numbers[_thinned(len(numbers), MAX_TIMELINE_ROWS)]
        rows = self.gallery.take(numbers.tolist(), ["track", "frame", "time_s"])
        seconds, frames = ([_finite(row[name]) for row in rows] for name in ("time_s", "frame"))
        is_frames = None in seconds
        when = [float(place) for place in range(len(rows))]
        for told in (frames, seconds):  # the last that every row has
            when = when if None in told else [float(each or 0) for each in told]
        order = np.argsort(when, kind="stable")
        chosen = numbers[order]
        return Timeline(
            video=video,
            is_frames=is_frames,
            rows=[int(number) if self._has_face[number] else None for number in chosen],
            times=[when[place] for place in order],
            tracks=[rows[place]["track"] or "" for place in order],
            attributes={name: [_finite(value) for value in each[chosen]] for name, each in self._numbers.items()},
        )


def _thinned(count: int, most: int) -> np.ndarray:
    """Places, `most` at the most, one in each of equal parts of a sequence: its first, then the second and so on, so
    that where two kinds take turns, as the faces of two people in a video, neither is left out."""
    every = max(1, -(-count // most))
    starts = np.arange(0, count, every)
    return np.asarray(np.minimum(starts + np.arange(len(starts)) % every, count - 1))


def _version(gallery: Gallery) -> str:
    """A name for a dataset as it was when it was opened: once it is changed or replaced it has another."""
    state = gallery.state or ("",)
    try:
        content = read_bytes(gallery.path / "_versions" / state[0])
    except FileNotFoundError:  # changed since then
        content = repr(state).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a column of strings, "" for none, and each row's place among them, int32."""
    encoded = _text(column).dictionary_encode()
    return np.array(encoded.dictionary.to_pylist(), dtype=object), encoded.indices.to_numpy()


def _text(column: pa.ChunkedArray) -> pa.Array:
    """A column of text of any kind as one array of strings, "" for none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string()).fill_null("").combine_chunks()


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers as float32: NaN for none, infinity for what is too large."""
    with np.errstate(over="ignore"):
        return np.asarray(column.to_numpy().astype(np.float32))


def _are_classes(values: np.ndarray) -> bool:
    return len(values) <= MAX_CLASSES and all(len(value) <= MAX_CLASS_LETTERS for value in values)


def _without(columns: Iterable[str]) -> list[str]:
    named = ", ".join(map(repr, columns))
    return [f"text columns of over {MAX_CLASSES} values, or long ones, are not shown: {named}"] if named else []


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
