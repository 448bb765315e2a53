"""Reads Protocol Buffers, as far as Lance's files and ONNX files need it: numbers of fields and their contents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

__all__ = ["Message", "fields", "found", "numbers"]

Message = TypeVar("Message", bytes, memoryview)
"""A view is never copied: what its fields contain are views, too."""

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
"""How a field is held."""
MAX_VARINT_BYTES = 10


def fields(message: Message) -> Iterator[tuple[int, Message | int]]:
    """The numbers and contents of a message's fields; fields of fixed width, and groups, are passed over.

    Raises:
        ValueError: it is not a message.
    """
    at, depth = 0, 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value: Message | int | None = None
        if kind == BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("holds a field that is cut short")
            value = message[at : at + length]
            at += length
        elif kind == VARINT:
            value, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind in (GROUP, GROUP_END):
            depth += 1 if kind == GROUP else -1
        if kind > FIXED32 or depth < 0:
            raise ValueError(f"holds a field of the unknown kind {kind}")
        if value is not None and not depth:
            yield key >> 3, value


def found(message: bytes, way: tuple[int, ...]) -> Iterator[bytes]:
    """What stands in a message, by the numbers of the fields that lead there.

    Raises:
        ValueError: it is not a message.
    """
    if not way:
        yield message
        return
    for number, value in fields(message):
        if number == way[0] and isinstance(value, bytes):
            yield from found(value, way[1:])


def numbers(packed: bytes) -> Iterator[int]:
    """A field of numbers, one behind the other.

    Raises:
        ValueError: it is not one.
    """
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: Message, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for place in range(MAX_VARINT_BYTES):
        if at + place >= len(message):
            raise ValueError("holds a number that is cut short")
        byte = message[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("holds a number of too many bytes")
