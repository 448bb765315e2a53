"""`--config FILE`: the options of a verb from a YAML file. Flags on the command line win."""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from fabnet.cli.flags import fields_of, is_positional, named_flags
from fabnet.errors import InputError, first_line
from fabnet.files.places import as_place
from fabnet.files.unicode_text import read_unicode
from fabnet.options import Options, checked

__all__ = ["configured", "read_config", "split_config"]

MAX_BYTES = 2**16
SCALARS = (str, int, float, bool, NoneType)


def split_config(args: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments without `--config FILE`, and the file; None if it is not given.

    Raises:
        InputError: the file is missing, or several are given.
    """
    rest, files = list[str](), list[str]()
    waiting = iter(args)
    for arg in waiting:
        if arg == "--config":
            files.append(next(waiting, ""))
        elif arg.startswith("--config="):
            files.append(arg.partition("=")[2])
        else:
            rest.append(arg)
    if len(files) > 1 or "" in files:
        raise InputError(f"--config takes one YAML file; got {', '.join(filter(None, files)) or 'none'}")
    return rest, files[0] if files else None


def read_config(file: str) -> dict[str, Any]:
    """Read a file of options.

    Args:
        file: its path, at most 64 KiB of YAML: a line `NAME: VALUE` per option.

    Returns:
        The values by name, with underscores: text, numbers, True or False, None, or tuples of these.

    Raises:
        InputError: the file is missing, too large, not YAML, or holds something else.
    """
    import yaml

    place = as_place(file)
    try:
        content = yaml.safe_load(read_unicode(place, MAX_BYTES))
    except OSError as error:
        raise InputError(f"--config {file} cannot be read: {error.strerror or first_line(error)}") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" (line {mark.line + 1})"
        said = getattr(error, "problem", None) or first_line(error)
        raise InputError(f"--config {file} is not YAML{line}: {said}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"--config {file} is not a list of options: expected a line NAME: VALUE for each")
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name in values:
            raise InputError(f"--config {file} has the option {name} twice")
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(each, SCALARS) for each in items):
            raise InputError(f"--config {file}: {name:.80} must be a single value or a list of them")
        values[name] = tuple(value) if isinstance(value, list) else value
    return values


def configured(
    run: Callable[..., Any], values: Mapping[str, Any], file: str | None, args: Sequence[str]
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A verb with the options of a file as its defaults.

    Args:
        run: the function of the verb.
        values: from `read_config`.
        file: the file, for messages.
        args: the arguments; an option that may be given several times is not added to those of the file.

    Returns:
        The function with new defaults, and the values of the fields of its `Options`, which `registry` takes.

    Raises:
        InputError: an option is unknown or has a value of another type.
    """
    if not values:
        return run, {}
    hints, plain = get_type_hints(run, include_extras=True), get_type_hints(run)
    signature = inspect.signature(run)
    defaults = {name: each.default for name, each in signature.parameters.items()}
    kinds: dict[str, Any] = {}
    homes: dict[str, str] = {}
    for name, hint in hints.items():
        if name not in signature.parameters or is_positional(hint):
            continue
        fields = fields_of(plain[name], defaults[name])
        kinds |= {name: plain[name]} if fields is None else fields
        homes |= dict.fromkeys([name] if fields is None else fields, name)
    given: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in kinds:
            raise InputError(f"--config {file}: {_unknown(name, kinds, signature.parameters)}")
        try:
            right = checked(name, _number(value, kinds[name]), kinds[name])
        except InputError as error:
            raise InputError(f"--config {file}: {error}") from None
        given.setdefault(homes[name], {})[name] = right
    of_options: dict[str, Any] = {}
    flags = named_flags(args)
    for home, own in given.items():
        if home in own:
            defaults[home] = defaults[home] if home in flags else own[home]
        elif issubclass(plain[home], Options):
            of_options |= own
        else:
            defaults[home] = _unchecked(defaults[home], own)
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hints[name])
        for name, each in signature.parameters.items()
    ]

    @functools.wraps(run)
    def filled(**given: Any) -> Any:
        return run(**given)

    del filled.__dict__["__wrapped__"]
    filled.__annotations__ = hints
    filled.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return filled, of_options


def _unchecked(default: Any, values: Mapping[str, Any]) -> Any:
    """A copy with other values, not checked against each other yet, because flags may change them."""
    changed, inner = copy.copy(default), copy.copy(default.options)
    for name, value in values.items():
        object.__setattr__(inner if name in inner.names() else changed, name, value)
    object.__setattr__(changed, "options", inner)
    return changed


def _number(value: Any, kind: Any) -> Any:
    """Text as a number, where the option takes numbers and no text: YAML 1.1 reads 1e-3 as text."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if isinstance(value, str) and float in kinds and str not in kinds:
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _unknown(name: str, known: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    if name in parameters:
        return f"{name} is given on the command line, not in the file"
    near = difflib.get_close_matches(name, known, n=1)
    return f"no option is called {name!r:.80}; " + (f"did you mean {near[0]!r}?" if near else "--help lists them")
