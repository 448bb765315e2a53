"""Checks fields of JSON files against annotations, because a file may be edited or corrupt.

Written by hand, because pydantic (a requirement of the `serve` extra only) would add 10 MB and a compiled package to
the core, to replace about 40 lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["LARGEST", "check_fields", "read_fields"]

LARGEST = 2**53
"""Upper bound of whole numbers that are the same in JSON, in floats and in 64-bit integers."""


def check_fields(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Check that every value is present and matches its annotation.

    Whole numbers must lie in 0 to 2^53; other numbers must be finite.

    Args:
        values: values by name.
        types: annotations by name: int, float, bool, str, None, dict, list, tuples, Literals and unions of these.

    Raises:
        ValueError: a value is missing, unknown or of another type.
    """
    unknown = sorted(set(values) ^ set(types))
    if unknown:
        raise ValueError(f"{unknown[0]} is {'missing' if unknown[0] in types else 'unknown'}")
    for name, kind in types.items():
        if not _is_a(values[name], kind):
            raise ValueError(f"{name} is {str(values[name])[:40]!r}")


def read_fields(cls: type, content: Any) -> dict[str, Any]:
    """The arguments of a dataclass from a JSON object; missing fields keep their defaults.

    Raises:
        ValueError: it is not an object, has an unknown field, or a field has a value of another type.
    """
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found {str(content)[:40]!r}")
    types = get_type_hints(cls)
    check_fields(content, {name: kind for name, kind in types.items() if name in content})
    return content


def _is_a(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_is_a(value, each) for each in inner)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in inner)
    if origin is tuple or origin is list:
        return isinstance(value, (list, tuple)) and all(_is_a(each, inner[0]) for each in value)
    if kind is int:
        return type(value) is int and 0 <= value <= LARGEST
    if kind is float:
        return type(value) in (int, float) and abs(value) <= LARGEST and math.isfinite(value)
    return isinstance(value, origin or kind)
