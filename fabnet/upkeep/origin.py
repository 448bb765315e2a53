"""What the metadata of a table say of its making: the command, its options, and the model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from fabnet.files.parquet import LENGTH_KEY
from fabnet.options import Options
from fabnet.over_time.readings import COURSES
from fabnet.reading.columns import VERSION_KEY
from fabnet.reading.options import EmbedOptions, ReadOptions

__all__ = ["Kind", "as_text", "kind_of_table", "options_read", "origin", "types_of", "written"]

Kind = str
"""embeddings, readings or courses."""
MADE_BY = {"embeddings": "embed", "readings": "read", "courses": "courses"}
DEFAULTS: dict[str, Options] = {"embed": EmbedOptions(), "read": ReadOptions()}
MODEL = "fabnet.model"
FACTS = {
    MODEL: "model", "fabnet.model_digest": "model_digest", "fabnet.precision": "precision",
    "fabnet.crop": "crop", "fabnet.detector": "detector", "fabnet.attributes": "attributes_version",
    "fabnet.attributes_model_digest": "attributes_model_digest",
}  # fmt: skip
"""Metadata that are shown as they are, and their names here."""
OBJECTS = {"fabnet.attributes_taught": "attributes_taught", "fabnet.people": "linked_people"}
"""Metadata that hold JSON objects."""


def as_text(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """Metadata of a schema as text."""
    items = (metadata or {}).items()
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in items}


def kind_of_table(about: Mapping[str, str]) -> Kind | None:
    """What a table is by its metadata; None: fabnet did not write it."""
    if VERSION_KEY.decode() in about:
        return "embeddings"
    if any(name.startswith(COURSES) for name in about):
        return "courses"
    return "readings" if about.get("fabnet.crop") == "canonical" and MODEL in about else None


def origin(about: Mapping[str, str], kind: Kind, *, is_file: bool = False) -> dict[str, Any]:
    """How a table was made, as far as its metadata say.

    Args:
        about: its metadata.
        kind: what it is.
        is_file: whether it is a file, which never has thumbnails.

    Returns:
        `command` (without the inputs, which are not kept), `fabnet_version`, `options`, `model`, `model_digest` and
        others.
    """
    verb = MADE_BY[kind]
    options = options_read(about.get("fabnet.options"))
    flags = [flag for flag in _flags(verb, options) if not (is_file and flag == "--no-thumbnails")]
    found: dict[str, Any] = {"command": " ".join([f"fabnet {verb}", *flags])}
    if kind == "courses":
        found |= {"read_with": " ".join(["fabnet read", *_flags("read", options)])}
        found |= {"courses": {k.removeprefix(COURSES): v for k, v in about.items() if k.startswith(COURSES)}}
    if "fabnet.version" in about:
        found["fabnet_version"] = about["fabnet.version"]
    found |= {name: about[key] for key, name in FACTS.items() if key in about}
    found |= {name: read for key, name in OBJECTS.items() if (read := options_read(about.get(key)))}
    return found | ({"options": options} if options else {})


def options_read(text: str | None) -> dict[str, Any]:
    """A JSON object of the metadata; empty if there is none."""
    with suppress(ValueError, RecursionError):
        read = json.loads(text or "")
        return read if isinstance(read, dict) else {}
    return {}


def _flags(verb: str, options: Mapping[str, Any]) -> list[str]:
    """The flags that give these options, without those that are as by default."""
    if verb not in DEFAULTS:
        return []
    usual = json.loads(DEFAULTS[verb].to_text())
    flags = []
    for name, value in options.items():
        if name not in usual or value == usual[name] or value is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            flags.append(flag if value else f"--no-{name.replace('_', '-')}")
        else:
            values = value if isinstance(value, list) else [value]
            flags.append(" ".join([flag, *map(str, values)]))
    return flags


def types_of(columns: Iterable[pa.Field]) -> dict[str, str]:
    """The types of columns by name: string, int64, float[256] ...; empty for a column of nothing but nulls."""
    return {field.name: _type(field) for field in columns}


def _type(field: pa.Field) -> str:
    kind = field.type
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.value_type}[{kind.list_size}]"
    length = (field.metadata or {}).get(LENGTH_KEY, b"")
    if pa.types.is_list(kind) and length.isdigit():
        return f"{kind.value_type}[{int(length)}]"
    return "" if pa.types.is_null(kind) else str(kind)


def written(when: datetime | float | Path) -> str:
    """A moment as ISO 8601 in UTC, to the second.

    Args:
        when: the moment, local if it has no zone; seconds since 1970; or a file that was then last changed.
    """
    if not isinstance(when, datetime | float):  # a place in an object store is no `pathlib.Path`
        when = float(when.stat().st_mtime)
    moment = datetime.fromtimestamp(when, UTC) if isinstance(when, float) else when.astimezone(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
