"""How options become flags: what `tyro` does not do by itself."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

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

__all__ = ["Flags", "described", "fields_of", "is_positional", "members_of", "named_flags", "registry"]

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
    rules.struct_rule(partial(_struct, given=defaults or {}))
    rules.primitive_rule(_place)
    rules.primitive_rule(_text)
    return rules


def described(run: Callable[..., Any]) -> Callable[..., Any]:
    """A verb's function whose help names its arguments and explains each in one paragraph."""
    hints, docs = get_type_hints(run, include_extras=True), _argument_docs(run.__doc__ or "")
    signature = inspect.signature(run)

    @wraps(run)
    def explained(**given: Any) -> Any:
        return run(**given)

    del explained.__dict__["__wrapped__"]
    parameters = list[inspect.Parameter]()
    for name, parameter in signature.parameters.items():
        if not dataclasses.is_dataclass(get_args(hints[name])[0] if get_args(hints[name]) else hints[name]):
            hints[name] = _explained(hints[name], parameter.default, name, docs.get(name))
        parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))
    explained.__annotations__ = hints
    explained.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return explained


def _argument_docs(docstring: str) -> dict[str, str]:
    """What the section `Args:` of a docstring says about each argument, on one line."""
    section = inspect.cleandoc(docstring).partition("\nArgs:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _explained(hint: Any, default: Any, name: str, doc: str | None) -> Any:
    """A type with what the help says of an argument: its name, its values, and nothing of a default that is empty."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    metavar, members = None, members_of(kind)
    if is_positional(hint):
        metavar = f"{name.upper()} ..." if get_origin(kind) is tuple else name.upper()
    elif default is None and NoneType in members:
        named = (str,) if str in members else [each for each in members if each is not NoneType]
        metavar = "|".join(map(_metavar, named))
    hidden = {"help_behavior_hint": ""} if default is None or default == () or is_positional(hint) else {}
    return Annotated[hint, arg(metavar=metavar, help=doc, **hidden)]  # type: ignore[call-overload]


def _metavar(kind: Any) -> str:
    """What stands for a value in the help."""
    if get_origin(kind) is tuple:
        first = _metavar(get_args(kind)[0])
        return f"[{first} ...]" if get_args(kind)[-1] is ... else " ".join(map(_metavar, get_args(kind)))
    if get_origin(kind) is Literal:
        return f"{{{','.join(str(each) for each in get_args(kind) if each is not None)}}}"
    return {int: "INT", float: "FLOAT", Path: "PATH|URI"}.get(kind, "STR")


def members_of(kind: Any) -> tuple[Any, ...]:
    """The types of a union; of another type itself."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _struct(kind: StructTypeInfo, given: Mapping[str, Any]) -> StructConstructorSpec | None:
    """The fields of a dataclass of options, each with its string as one paragraph."""
    if not (isinstance(kind.type, type) and dataclasses.is_dataclass(kind.type)):
        return None
    start = kind.default if isinstance(kind.default, kind.type) else kind.type()
    given = given if issubclass(kind.type, Options) else {}
    types, docs = get_type_hints(kind.type), field_docs(kind.type)
    fields = list[StructFieldSpec]()
    for field in dataclasses.fields(kind.type):
        default = given.get(field.name, getattr(start, field.name))
        hint = _explained(types[field.name], default, field.name, docs.get(field.name))
        if dataclasses.is_dataclass(default):
            hint = Annotated[type(default), arg(name="")]
        fields.append(StructFieldSpec(name=field.name, type=hint, default=default))
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
