"""Reads Protocol Buffers as far as Lance and ONNX files need it: field numbers and contents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

__all__ = ["Message", "fields", "found", "numbers", "varint"]

Message = TypeVar("Message", bytes, memoryview)
"""A serialized message. A memoryview is never copied: the contents of its fields are views, too."""

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
"""Wire types of fields."""
MAX_VARINT_BYTES = 10


def fields(message: Message) -> Iterator[tuple[int, Message | int]]:
    """Yield the number and content of each field of a message; fixed-width fields and groups are skipped.

    Raises:
        ValueError: it is not a message.
    """
    at, depth = 0, 0
    while at < len(message):
        key, at = varint(message, at)
        kind = key & 7
        value: Message | int | None = None
        if kind == BYTES:
            length, at = varint(message, at)
            if at + length > len(message):
                raise ValueError("holds a truncated field")
            value = message[at : at + length]
            at += length
        elif kind == VARINT:
            value, at = varint(message, at)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind in (GROUP, GROUP_END):
            depth += 1 if kind == GROUP else -1
        if kind > FIXED32 or depth < 0:
            raise ValueError(f"holds a field of unknown type {kind}")
        if value is not None and not depth:
            yield key >> 3, value


def found(message: bytes, way: tuple[int, ...]) -> Iterator[bytes]:
    """Yield all contents at a path of nested field numbers in a message.

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
    """Yield the numbers of a packed field.

    Raises:
        ValueError: it is not a packed field of numbers.
    """
    at = 0
    while at < len(packed):
        value, at = varint(packed, at)
        yield value


def varint(message: Message, at: int) -> tuple[int, int]:
    """Read a varint (seven bits per byte) that begins at an offset.

    Returns:
        Its value, and the offset of the byte after it.

    Raises:
        ValueError: it is truncated, or longer than a varint can be.
    """
    value = 0
    for index in range(MAX_VARINT_BYTES):
        if at + index >= len(message):
            raise ValueError("holds a truncated number")
        byte = message[at + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise ValueError("holds a number of too many bytes")
