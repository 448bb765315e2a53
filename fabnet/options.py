"""The options of a verb: one frozen dataclass for the command line, the Python keywords and the worker processes."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import json
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from fabnet.errors import InputError
from fabnet.files.places import as_place

__all__ = ["Options", "checked", "field_docs", "takes"]

F = TypeVar("F", bound=Callable[..., Any])

NAMES = {
    int: "a whole number", float: "a finite number", bool: "True or False", str: "text", Path: "a path",
    NoneType: "None",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options:
    """The base of a verb's options. A subclass is named after the verb, with a string under each field.

    Types are checked when an object is made. Text becomes a place in a field that takes a path and no text. A single
    value stands for a tuple of one, and None for "all" in a field that takes "all".
    """

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            InputError: a value is of another type or is impossible.
        """
        for name, kind in _types(type(self)).items():
            object.__setattr__(self, name, checked(name, getattr(self, name), kind))
        self.check()

    def check(self) -> None:
        """Check what the types cannot.

        Raises:
            InputError: a value is impossible.
        """

    def to_text(self) -> str:
        """All options as a JSON object, for the metadata of what was made with them."""
        said = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps(said, default=lambda value: str(value) if isinstance(value, Path) else type(value).__name__)

    @classmethod
    def of(cls, given: Self | None, changes: Mapping[str, Any]) -> Self:
        """The options of a call.

        Args:
            given: options to start from; None: the defaults.
            changes: fields that differ, by name.

        Raises:
            InputError: there is no such field, or a value is impossible.
        """
        if given is not None and not isinstance(given, cls):
            raise InputError(f"options must be {cls.__name__}, or be given by name; got {given!r:.60}")
        names = [field.name for field in dataclasses.fields(cls)]
        for name in changes:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(names)}"
                raise InputError(f"{cls.__name__.removesuffix('Options').lower()} has no option {name!r}; {hint}")
        return dataclasses.replace(given or cls(), **changes)


def takes(cls: type, default: Any = None) -> Callable[[F], F]:
    """Show the fields of a dataclass as keywords of a function that takes them as `**changes`.

    `help` and editors then list every keyword with its type, default and meaning.

    Args:
        cls: the dataclass, with a string under each field.
        default: the object whose values are shown as defaults; None: `cls()`.
    """

    def shown(function: F) -> F:
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        start = cls() if default is None else default
        added = [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=getattr(start, field.name), annotation=field.type
            )
            for field in dataclasses.fields(cls)
            if field.name != "options"
        ]
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        docs = field_docs(cls)
        lines = [
            textwrap.fill(f"{name}: {docs[name]}", 112, initial_indent=" " * 4, subsequent_indent=" " * 8)
            for name in (each.name for each in added)
            if name in docs
        ]
        head, returns, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\nReturns:")
        function.__doc__ = "\n".join([head, *lines]) + returns + rest
        return function

    return shown


def field_docs(cls: type) -> dict[str, str]:
    """The strings under the fields of a dataclass, each on one line; none where the source is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def checked(name: str, value: Any, kind: Any) -> Any:
    """A value of an option in the form that its field keeps.

    Args:
        name: name of the option.
        value: what was given.
        kind: type of the field.

    Raises:
        InputError: the value is of another type.
    """
    value = _brought(value, kind)
    if not _is_a(value, kind):
        raise InputError(f"{name} must be {_expected(kind)}; got {value!r:.80}")
    return value


def _types(cls: type[Options]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _members(kind: Any) -> tuple[Any, ...]:
    """The types of a union; of another type itself."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _brought(value: Any, kind: Any) -> Any:
    """A value in the form that its field keeps."""
    kinds = _members(kind)
    if value is None and Literal["all"] in kinds:
        return "all"
    if isinstance(value, str) and Path in kinds and str not in kinds:
        return as_place(value)
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
        values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
        return tuple(_brought(each, get_args(kind)[0]) for each in values)
    return value


def _is_a(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_is_a(value, each) for each in inner)
    if origin is Literal:
        return not isinstance(value, bool) and any(isinstance(value, type(each)) and value == each for each in inner)
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_is_a, value, kinds))
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is int:
        return isinstance(value, Integral)
    if kind is float:
        return isinstance(value, Real) and math.isfinite(value)
    if kind is Path:
        return isinstance(value, Path) or hasattr(value, "joinpath")  # a place in an object store
    return isinstance(value, kind)


def _expected(kind: Any) -> str:
    """What a type asks for, in words."""
    if get_origin(kind) is tuple:
        return f"a sequence, each {_expected(get_args(kind)[0])}"
    if get_origin(kind) is Literal:
        return _or([repr(each) for each in get_args(kind)])
    words = [_expected(each) if get_origin(each) else NAMES.get(each, each.__name__) for each in _members(kind)]
    return _or(words)


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
