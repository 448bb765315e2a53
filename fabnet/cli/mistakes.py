"""Mistakes on the command line, each in one line: an unknown option, a value of another type, a missing argument."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tyro.conf import UseAppendAction

from fabnet.cli.flags import fields_of, is_positional, members_of
from fabnet.errors import InputError

__all__ = ["refuse_mistakes"]

APPENDED = get_args(UseAppendAction[int])[1]
NUMBERS = {int: "a whole number", float: "a number"}
NEAR = 0.8
"""Similarity (0 to 1) from which an unknown option is a misspelt one of this verb, even if another verb has it."""


@dataclass(frozen=True)
class Flag:
    """An option as it is typed."""

    kind: Any
    is_repeated: bool

    def values(self) -> tuple[Any, ...]:
        """The type of each value that follows it; an ellipsis at the end stands for any number more."""
        if self.kind is bool:
            return ()
        members = members_of(self.kind)
        kinds = [each for each in members if get_origin(each) is tuple]
        if str in members or not kinds:
            return (str,) if str in members else (self.kind,)
        inner = get_args(kinds[0])
        return inner[:1] if self.is_repeated else inner


@dataclass(frozen=True)
class Arguments:
    """What a verb takes."""

    flags: Mapping[str, Flag]
    """By name, with underscores."""

    positionals: Mapping[str, Any]
    """The types of what is given without a flag, by name."""

    required: tuple[str, ...]
    """Names of those without a default; any number of inputs may also be none."""


def refuse_mistakes(verb: str, verbs: Mapping[str, str], run: Callable[..., Any], args: Sequence[str]) -> None:
    """Refuse arguments that a verb does not take.

    Args:
        verb: the verb.
        verbs: the module of each verb, by name, to say whose option an unknown one is.
        run: the function of the verb.
        args: the arguments after the verb, without those of every verb (`--json`, `--config`).

    Raises:
        InputError: an option is unknown or has no value, a value does not fit, or something required is missing.
    """
    if "--" in args or "-h" in args or "--help" in args:
        return
    takes = _arguments(run)
    given, groups, is_shared = set[str](), [list[str]()], False
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        if not _is_flag(arg):
            groups[-1].append(arg)
            continue
        groups.append([])
        name, has_value, value = arg.partition("=")
        option = name.lstrip("-").replace("-", "_")
        flag = takes.flags.get(option) or _negated(option, takes.flags)
        if flag is None or not name.startswith("--"):
            raise InputError(_unknown(verb, verbs, name, takes))
        given.add(option)
        kinds = flag.values()
        if has_value and not kinds:
            raise InputError(f"{name} takes no value; got {arg!r:.80}")
        values = [value] if has_value else _taken(rest, kinds)
        _check(name, values, kinds)
        is_shared = kinds[-1:] == (...,) and len(values) > 1 and not rest
    _check_positionals(verb, takes, [group for group in groups if group])
    missing = [name for name in takes.required if name not in given]
    if any(groups) or is_shared:  # at the end, an option that takes any number of values leaves the last one over
        missing = [name for name in missing if name not in takes.positionals]
    if missing:
        names = [name.upper() if name in takes.positionals else f"--{name.replace('_', '-')}" for name in missing]
        example = _example(verb, run, [name for name in takes.required if name in takes.flags])
        raise InputError(f"{_joined(names, 'and')} must be given, as in: {example}")


def _arguments(run: Callable[..., Any]) -> Arguments:
    hints, plain = get_type_hints(run, include_extras=True), get_type_hints(run)
    flags, positionals, required = dict[str, Flag](), dict[str, Any](), list[str]()
    for name, parameter in inspect.signature(run).parameters.items():
        is_needed = parameter.default is inspect.Parameter.empty
        if is_positional(hints[name]):
            positionals[name] = plain[name]
            is_needed &= get_origin(plain[name]) is not tuple
        elif fields := fields_of(plain[name], parameter.default):
            flags |= {field: Flag(kind, is_repeated=False) for field, kind in fields.items()}
            continue
        else:
            flags[name] = Flag(plain[name], is_repeated=APPENDED in get_args(hints[name])[1:])
        if is_needed:
            required.append(name)
    return Arguments(flags, positionals, tuple(required))


def _negated(option: str, flags: Mapping[str, Flag]) -> Flag | None:
    """The flag that `--no-NAME` switches off."""
    flag = flags.get(option.removeprefix("no_"))
    return flag if flag is not None and flag.kind is bool else None


def _is_flag(arg: str) -> bool:
    return arg.startswith("-") and re.match(r"-[a-zA-Z-]", arg) is not None


def _taken(rest: list[str], kinds: Sequence[Any]) -> list[str]:
    """The values that follow an option, taken off the arguments."""
    values = list[str]()
    while rest and not _is_flag(rest[0]) and (kinds[-1:] == (...,) or len(values) < len(kinds)):
        values.append(rest.pop(0))
    return values


def _check(name: str, values: Sequence[str], kinds: Sequence[Any]) -> None:
    """Check the values of an option."""
    if kinds[-1:] == (...,):
        kinds = [kinds[0]] * len(values)
    if len(values) < len(kinds):
        wanted = f"{len(kinds)} values" if kinds[1:] else "a value" if kinds[0] is str else _expected(kinds[0])
        raise InputError(f"{name} needs {wanted}; got {' '.join(values) or 'none'}")
    for value, kind in zip(values, kinds, strict=False):
        if not _fits(value, kind):
            raise InputError(f"{name} must be {_expected(kind)}; got {value!r:.80}{_hint(value, kind)}")


def _check_positionals(verb: str, takes: Arguments, groups: Sequence[Sequence[str]]) -> None:
    """Check what stands without a flag: how much, in how many places, and of what type."""
    texts = [text for group in groups for text in group]
    kinds = takes.positionals
    if any(get_origin(kind) is tuple for kind in kinds.values()):
        if groups[1:]:
            raise InputError(f"unexpected {groups[1][0]!r:.80}: give all inputs in one place, before the options")
        return
    if len(texts) > len(kinds):
        taken = f"one {_joined([name.upper() for name in kinds], 'and one')}" if kinds else "options only"
        quoted = " (quote a name that has spaces)" if kinds else ""
        raise InputError(f"unexpected {texts[len(kinds)]!r:.80}: fabnet {verb} takes {taken}{quoted}")
    for (name, kind), text in zip(kinds.items(), texts, strict=False):
        _check(name.upper(), [text], [kind])


def _fits(value: str, kind: Any) -> bool:
    """Whether text is a number or one of the choices that an option takes; other kinds check themselves."""
    members = members_of(kind)
    if not all(each in (int, float, NoneType) or get_origin(each) is Literal for each in members):
        return True
    for each in members:
        if each in (int, float):
            with suppress(ValueError):
                each(value)
                return True
        elif value in ("None",) if each is NoneType else value in map(str, get_args(each)):
            return True
    return False


def _expected(kind: Any) -> str:
    """What an option takes, in words."""
    words = list[str]()
    for each in members_of(kind):
        if get_origin(each) is Literal:
            words += [str(choice) for choice in get_args(each) if choice is not None]
        elif each is not NoneType:
            words.append(NUMBERS.get(each, "text" if each is str else "a path"))
    return _joined(list(dict.fromkeys(words)), "or")


def _joined(words: Sequence[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _hint(value: str, kind: Any) -> str:
    """What to write instead of a number with a comma or a unit."""
    members = members_of(kind)
    if float in members and re.fullmatch(r"[+-]?\d*,\d+", value):
        return f": write a decimal point, {value.replace(',', '.')}"
    if int in members and re.fullmatch(r"[+-]?\d{1,3}([,.']\d{3})+", value):
        return f": write {re.sub('[^0-9+-]', '', value)}"
    number = re.fullmatch(r"([+-]?\d+(?:\.\d+)?) ?[a-zA-Z%°]+", value)
    return f": write {number[1]}, without a unit" if number and {int, float} & set(members) else ""


def _unknown(verb: str, verbs: Mapping[str, str], name: str, takes: Arguments) -> str:
    """What to say about an option that the verb does not have."""
    option = name.lstrip("-").replace("-", "_")
    near = difflib.get_close_matches(option, takes.flags, n=1)
    if near and (difflib.SequenceMatcher(None, option, near[0]).ratio() >= NEAR or not name.startswith("--")):
        return f"unknown option {name}; did you mean --{near[0].replace('_', '-')}?"
    others = [other for other in verbs if other != verb and option in _options_of(verbs[other])]
    if others and name.startswith("--"):
        which = _joined([f"fabnet {other}" for other in others], "and")
        return f"unknown option {name}: it belongs to {which}; fabnet {verb} --help lists those of {verb}"
    return f"unknown option {name}; fabnet {verb} --help lists all"


def _options_of(module: str) -> Mapping[str, Flag]:
    """The options of a verb; none if it needs a package that is not installed."""
    with suppress(ImportError):
        found = import_module(module)
        return _arguments(found.command_for([], {}) if hasattr(found, "command_for") else found.run).flags
    return {}


def _example(verb: str, run: Callable[..., Any], required: Sequence[str]) -> str:
    """The first example of the verb's help that has all that is required."""
    lines = [line.strip().partition("  #")[0] for line in inspect.cleandoc(run.__doc__ or "").splitlines()]
    return next(
        line
        for line in lines
        if line.startswith(f"fabnet {verb} ") and all(f"--{name.replace('_', '-')}" in line for name in required)
    )
