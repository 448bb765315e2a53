"""The columns of an embeddings dataset, from fabnet or elsewhere: which can be used, and why others cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa

from fabnet.errors import StoreError
from fabnet.faces.units import UNIT_COLUMNS, UNITS

__all__ = ["KNOWN", "NEEDED", "Columns", "in_names_of", "is_text"]

NEEDED = ("id", "identity", "video", "embedding")
RESERVED = frozenset({"rank", "row", "similarity", "_distance", "_score", "_rowaddr", "_rowid"})
"""Columns that a search adds to a row."""
OLD_NAMES = {f"units_AU{unit}": column for unit, column in zip(UNITS, UNIT_COLUMNS, strict=True)}
"""Names that attributes had before `fabnet read`, and those that they have now."""
SQL_NAMES = re.compile(rf"'(?:[^']|'')*'|\b(?:{'|'.join((*OLD_NAMES, *OLD_NAMES.values()))})\b")
"""Text between quotes, which stays, or one of these names."""
NAMED = 8
"""Maximum number of hidden columns that a note names."""
TYPE_LETTERS = 60
"""Maximum length of a type's name in messages, because a struct's name contains all its fields."""


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type contains text."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_embedding(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type) and kind.list_size > 0)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a neighbour can show a column of this type, including as JSON."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type)
    return is_text(kind) or _is_number(kind) or bool(pa.types.is_boolean(kind) or pa.types.is_null(kind))


KNOWN: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "id": ("text", is_text),
    "identity": ("text", is_text),
    "video": ("text", is_text),
    "track": ("text", is_text),
    "frame": ("integers", pa.types.is_integer),
    "time_s": ("numbers", _is_number),
    "reason": ("text", is_text),
    "thumbnail": ("bytes", _is_bytes),
    "embedding": ("lists of floats, all of one length of 1 or more", _is_embedding),
}
"""Expected content of the columns that search and the page read by name."""


def in_names_of(columns: Collection[str], condition: str) -> str:
    """A condition in SQL with the names of attributes, old or new, that a dataset has.

    Args:
        columns: of the dataset.
        condition: with either names.
    """
    other = OLD_NAMES | {new: old for old, new in OLD_NAMES.items()}

    def name(found: re.Match[str]) -> str:
        given = found[0]
        return other[given] if given not in columns and other.get(given) in columns else given

    return SQL_NAMES.sub(name, condition)


class Columns:
    """The columns of a dataset.

    Args:
        path: path of the dataset, for messages.
        schema: schema of the dataset.

    Raises:
        StoreError: one of the columns in `NEEDED` is missing.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        missing = [name for name in NEEDED if name not in schema.names]
        if "embedding" in missing:
            raise StoreError(f"{path} has no embeddings: fabnet embed {path} --out EMB makes a dataset to search")
        if missing:
            raise StoreError(f"{path} has no column {' and no '.join(missing)}: expected a dataset of fabnet embed")
        self._path, self._names = path, schema.names
        self._is_old = b"fabnet.version" not in (schema.metadata or {})
        self.unusable: dict[str, str] = {}
        """Columns of `KNOWN` that are missing or have another type, each with what was found."""
        self.hidden: list[str] = []
        """Other columns, which cannot be shown."""
        for name, (_, fits) in KNOWN.items():
            if name not in schema.names:
                self.unusable[name] = "is missing"
            elif not fits(schema.field(name).type):
                self.unusable[name] = f"holds {' '.join(str(schema.field(name).type).split())[:TYPE_LETTERS]}"
        for field in schema:
            if field.name not in KNOWN and not (_is_plain(field.type) and _can_be_asked(field.name)):
                self.hidden.append(field.name)

    def usable(self) -> list[str]:
        """Names of all columns that can be read and shown."""
        return [name for name in self._names if name not in self.unusable and name not in self.hidden]

    def check(self, names: tuple[str, ...] = NEEDED) -> None:
        """Check that columns have the expected types.

        Args:
            names: names of columns in `KNOWN`.

        Raises:
            StoreError: a column is missing or has another type.
        """
        for name in names:
            if name in self.unusable:
                raise StoreError(
                    f"{self._path} cannot be used: its column {name} {self.unusable[name]}; expected "
                    f"{KNOWN[name][0]}: make it with fabnet embed"
                )

    def notes(self) -> list[str]:
        """Notes on columns that are left out or have old names, at most three lines."""
        found = []
        if self._is_old and OLD_NAMES.keys() & set(self._names):
            found.append(
                f"{self._path} has attributes of an older fabnet (units_AU1 and others, now AU01), which are less "
                "reliable: embed again with --attributes"
            )
        without = {name: why for name, why in self.unusable.items() if (name, why) != ("thumbnail", "is missing")}
        if without:
            described = ", ".join(f"{name} ({why}; expected {KNOWN[name][0]})" for name, why in without.items())
            found.append(f"{self._path} is read without columns that fabnet embed writes: {described}")
        if self.hidden:
            more = f" and {len(self.hidden) - NAMED} more" if len(self.hidden) > NAMED else ""
            named = ", ".join(repr(name[:TYPE_LETTERS]) for name in self.hidden[:NAMED])
            found.append(f"columns whose type or name cannot be shown are left out: {named}{more}")
        return found


def _can_be_asked(name: str) -> bool:
    """Whether SQL can name a column, and no column that a search adds has that name."""
    return bool(name) and "`" not in name and name not in RESERVED
