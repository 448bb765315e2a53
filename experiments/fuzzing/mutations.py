"""Mutations: turn valid bytes into arbitrary ones, drawn from a generator."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, TypeVar

import numpy as np

__all__ = ["mutated"]

Random = np.random.Generator
T = TypeVar("T")
HEAD = 1024
"""Half of all positions are drawn from this many first and last bytes, where headers and indices are."""
INTEGERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**40, 2**63 - 1, 2**64 - 1)
LONG = 200_000
CELLS = (
    "", " ", "0", "-1", "1e400", "nan", "-inf", "99999999999999999999", "1e308", "0.1.2", "x", "a" * 5000, "b" * LONG,
    "../../../../etc/passwd", "/", ".", "..", "a\0b", "\N{SNOWMAN}", "%s%n", '"', "'", "{", ",", ",,,,", "\t", "None",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 3, 64, 0.5, -0.0, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**40, 2**63, 10**400,
    "", "x", "y" * LONG, "../../../../etc/passwd", "a\0b", "\ud800", [], {}, [[]], [None] * 1000, [0.5, 0.5, 0.5],
)  # fmt: skip


def mutated(data: bytes, other: bytes, name: str, random: Random) -> bytes:
    """Change a file's bytes.

    Args:
        data: bytes of a valid file.
        other: bytes of another valid file of the kind, to splice with.
        name: name of the file: JSON, safetensors and text are changed by structure half of the time.
        random: the generator.

    Returns:
        Changed bytes, in most cases no longer a valid file.
    """
    ways = _BY_STRUCTURE.get(name.rsplit(".", 1)[-1])
    if ways and random.random() < 0.6:
        return _one_of(ways, random)(data, random)
    if random.random() < 0.1:
        return _spliced(data, other, random)
    for _ in range(int(random.choice([1, 1, 1, 2, 4]))):
        data = _one_of(_OF_BYTES, random)(data, random)
    return data


def _one_of(choices: Sequence[T], random: Random) -> T:
    return choices[int(random.integers(len(choices)))]


def _place(data: bytes, random: Random) -> int:
    size = len(data)
    if size <= 1 or random.random() < 0.5:
        return int(random.integers(size + 1))
    near = int(random.integers(min(size, HEAD)))
    return near if random.random() < 0.7 else size - near


def _length(data: bytes, random: Random) -> int:
    """The length of a part of the file, mostly a small one."""
    return max(1, int(len(data) ** random.random()))


def _flipped(data: bytes, random: Random) -> bytes:
    made = bytearray(data)
    for _ in range(int(2 ** random.uniform(0, 6))):
        place = _place(data, random)
        if place < len(made):
            made[place] ^= int(random.integers(1, 256)) if random.random() < 0.5 else 1 << int(random.integers(8))
    return bytes(made)


def _filled(data: bytes, random: Random) -> bytes:
    place, length = _place(data, random), _length(data, random)
    filling = random.bytes(length) if random.random() < 0.5 else bytes([_one_of((0, 255, 32), random)]) * length
    return data[:place] + filling[: max(0, len(data) - place)] + data[place + length :]


def _with_integer(data: bytes, random: Random) -> bytes:
    """Write an extreme number over what may be a length."""
    width = _one_of((1, 2, 4, 8), random)
    value = _one_of(INTEGERS, random) % (1 << 8 * width)
    place = _place(data, random)
    return data[:place] + value.to_bytes(width, "big" if random.random() < 0.5 else "little") + data[place + width :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _without(data: bytes, random: Random) -> bytes:
    place = _place(data, random)
    return data[:place] + data[place + _length(data, random) :]


def _swapped(data: bytes, random: Random) -> bytes:
    length = _length(data, random)
    first, second = sorted((_place(data, random), _place(data, random)))
    if second < first + length:
        return _without(data, random)
    block, other = data[first : first + length], data[second : second + length]
    return data[:first] + other + data[first + length : second] + block + data[second + length :]


def _repeated(data: bytes, random: Random) -> bytes:
    place = _place(data, random)
    times = int(2 ** random.uniform(0, 8))
    return data[:place] + data[place : place + min(_length(data, random), 4096)] * times + data[place:]


def _inserted(data: bytes, random: Random) -> bytes:
    place, length = _place(data, random), int(10 ** random.uniform(0, 6))
    block = random.bytes(length) if random.random() < 0.5 else bytes([int(random.integers(256))]) * length
    return data[:place] + block + data[place:]


def _spliced(data: bytes, other: bytes, random: Random) -> bytes:
    return data[: _place(data, random)] + other[_place(other, random) :]


_OF_BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped, _flipped, _filled, _with_integer, _with_integer, _cut, _without, _swapped, _repeated, _inserted,
)  # fmt: skip


def _json_changed(data: bytes, random: Random) -> bytes:
    content = {"": json.loads(data)}
    for _ in range(int(random.choice([1, 1, 2, 3]))):
        places = _places(content)
        holder, key = _one_of(places[1:] or places, random)
        what = random.random()
        if what < 0.15 and holder is not content:
            del holder[key]
        elif what < 0.25 and isinstance(holder[key], dict):
            holder[key][_one_of(("x", "size", "", "format"), random)] = deepcopy(_one_of(VALUES, random))
        elif what < 0.35:
            other, place = _one_of(places, random)
            holder[key] = deepcopy(other[place])
        else:
            holder[key] = deepcopy(_one_of(VALUES, random))
    return json.dumps(content[""]).encode()


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    found = [(content, key) for key in keys]
    return found + [place for key in keys for place in _places(content[key])]


def _json_nested(data: bytes, random: Random) -> bytes:
    depth = _one_of((100, 10_000, 100_000), random)
    opened = _one_of((b"[", b'{"a":'), random) * depth
    return data.rstrip()[:-1] + b', "deep": ' + opened if random.random() < 0.5 else opened


def _json_root(data: bytes, random: Random) -> bytes:
    return json.dumps(_one_of(VALUES, random)).encode()


def _header_changed(data: bytes, random: Random) -> bytes:
    """Change the JSON header of a safetensors file."""
    size = int.from_bytes(data[:8], "little")
    way = _json_nested if random.random() < 0.05 else _json_changed
    header = way(data[8 : 8 + size], random)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def _cell_changed(data: bytes, random: Random) -> bytes:
    text = data.decode()
    separator = next((each for each in ("\t", ",", " ") if each in text), ",")
    lines = text.splitlines()
    for _ in range(int(random.choice([1, 1, 2, 5]))):
        number = 0 if random.random() < 0.2 else int(random.integers(len(lines)))
        cells = lines[number].split(separator)
        place = int(random.integers(len(cells)))
        if random.random() < 0.15:
            del cells[place]
        elif random.random() < 0.15:
            cells.insert(place, str(_one_of(CELLS, random)))
        else:
            cells[place] = str(_one_of(CELLS, random))
        lines[number] = separator.join(cells)
    return "\n".join(lines).encode()


def _lines_changed(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    first, second = (int(random.integers(len(lines))) for _ in range(2))
    what = int(random.integers(5))
    if what == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif what == 1:
        del lines[first]
    elif what == 2:
        lines.insert(second, lines[first])
    elif what == 3:
        lines = lines[: 1 + first] * int(2 ** random.uniform(0, 8))
    else:
        lines = lines[:1]
    return b"".join(lines)


def _encoded_otherwise(data: bytes, random: Random) -> bytes:
    return data.decode(errors="replace").encode(_one_of(("utf-8-sig", "utf-16", "utf-32", "cp037"), random), "replace")


_OF_JSON = (_json_changed, _json_changed, _json_changed, _json_changed, _json_nested, _json_root, _encoded_otherwise)
_OF_TEXT = (_cell_changed, _cell_changed, _cell_changed, _lines_changed, _encoded_otherwise)
_BY_STRUCTURE: dict[str, tuple[Callable[[bytes, Random], bytes], ...]] = {
    "json": _OF_JSON, "safetensors": (_header_changed,), "csv": _OF_TEXT, "txt": _OF_TEXT, "pts": _OF_TEXT,
}  # fmt: skip
