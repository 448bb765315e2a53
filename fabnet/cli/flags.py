"""How options become flags: what `tyro` does not do by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tyro.conf import OmitArgPrefixes, Positional, arg
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from fabnet.files.places import as_place
from fabnet.options import Options, field_docs

__all__ = ["Flags", "fields_of", "is_positional", "named_flags", "registry"]

T = TypeVar("T")
POSITIONAL = get_args(Positional[int])[1]
Flags = OmitArgPrefixes[Annotated[T, arg(name="")]]
"""A dataclass whose fields are flags of the command itself."""


def named_flags(args: Sequence[str]) -> set[str]:
    """The names of the options that arguments give, with underscores: `--no-flip` gives flip."""
    flags = [arg.partition("=")[0] for arg in args if arg.startswith("--")]
    return {flag.removeprefix("--").removeprefix("no-").replace("-", "_") for flag in flags}


def is_positional(hint: Any) -> bool:
    """Whether a parameter of a verb is given without a flag, by its type with extras."""
    return get_origin(hint) is Annotated and POSITIONAL in get_args(hint)[1:]


def fields_of(kind: Any, default: Any) -> dict[str, Any] | None:
    """The options in a dataclass, with their types, and those of its objective; None if it is an option itself."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return None
    hints = get_type_hints(kind)
    if issubclass(kind, Options):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    inner = get_type_hints(type(default.options))
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.name != "options"} | {
        name: inner[name] for name in default.options.names()
    }


def registry(defaults: Mapping[str, Any] | None = None) -> ConstructorRegistry:
    """The rules for options, paths and unions that take text.

    Args:
        defaults: values that options have in place of their own defaults, by name.
    """
    rules = ConstructorRegistry()
    rules.struct_rule(partial(_options, given=defaults or {}))
    rules.primitive_rule(_place)
    rules.primitive_rule(_text)
    return rules


def _options(kind: StructTypeInfo, given: Mapping[str, Any]) -> StructConstructorSpec | None:
    """The fields of a verb's options, each with its string as one paragraph."""
    if not (isinstance(kind.type, type) and issubclass(kind.type, Options)):
        return None
    types, docs, defaults = get_type_hints(kind.type), field_docs(kind.type), vars(kind.type())
    fields = [
        StructFieldSpec(name=name, type=types[name], default=given.get(name, default), helptext=docs.get(name))
        for name, default in defaults.items()
    ]
    return StructConstructorSpec(instantiate=kind.type, fields=tuple(fields))


def _place(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """A path becomes a place."""
    if kind.type is not Path and set(get_args(kind.type)) != {Path, NoneType}:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH|URI",
        instance_from_str=lambda texts: as_place(texts[0]),
        is_instance=lambda value: value is None or isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


def _text(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Whatever takes text gets it as it was typed: a name or a path, to which Python adds objects that are open."""
    if kind.type_origin not in (Union, UnionType) or str not in get_args(kind.type):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="STR",
        instance_from_str=lambda texts: texts[0],
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(value)],
    )
