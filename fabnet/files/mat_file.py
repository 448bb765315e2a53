"""MATLAB 5 files, looked through before scipy reads them, which takes a tag's number for a place in memory.

What a file is made of: "MAT-File Format", The MathWorks. A tag is a type and a number of bytes; an array (type 14) is
its class and flags, its sides, its name, and then its numbers, or further arrays. Compressed (type 15) is one array.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

from fabnet.errors import InputError, first_line
from fabnet.files.limits import MAX_WEIGHTS_BYTES, open_input, unpacked_limit

__all__ = ["read_arrays"]

NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Type of element to bytes a number."""
TEXTS = {1: 1, 2: 1, 4: 2, 16: 1, 17: 1, 18: 1}
"""Likewise of characters; the UTF ones (16 to 18) in bytes."""
ARRAY, COMPRESSED = {14: 1}, 15
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC = range(6, 16)
"""Classes of plain numbers, double to uint64. Objects, sparse arrays and functions are refused."""
COMPLEX = 0x800
MAX_DEPTH, MAX_SIDES, CHUNK = 16, 32, 2**20


def read_arrays(file: Path, names: Collection[str]) -> dict[str, Any]:
    """Read arrays of a MATLAB 5 file, compressed or not: numbers, text, cells and structs.

    Args:
        file: of any size; the caller says how large it may be. What is compressed in it may unpack to 20 times that.
        names: of the variables wanted.

    Returns:
        Those that it has, by name, as `scipy.io.loadmat` gives them.

    Raises:
        InputError: it is no such file, damaged, or has something else under one of these names.
    """
    from scipy.io import loadmat

    try:
        with open_input(file, None) as stream:
            _check_file(stream, set(names))
        content = loadmat(file, variable_names=list(names))
    except Exception as error:  # scipy names no common class for damaged files
        raise InputError(f"{file} is no Matlab file: {first_line(error)}") from error
    return {name: value for name, value in content.items() if name in names}


class _Elements:
    """The elements of a file, or of what is compressed in it, in order."""

    def __init__(self, stream: BinaryIO, order: str, compressed: int | None = None, allowed: int = 0) -> None:
        self.stream, self.order, self.allowed = stream, order, allowed
        self.left = compressed
        self.inflater = None if compressed is None else zlib.decompressobj()

    def read(self, size: int) -> bytes:
        data = self.stream.read(size) if self.inflater is None else b"".join(self._inflated(size))
        if len(data) < size:
            raise InputError("it ends in the middle of an array")
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.read(min(size, CHUNK)))

    def _inflated(self, size: int) -> list[bytes]:
        assert self.inflater is not None
        assert self.left is not None
        parts = []
        while size > 0 and not self.inflater.eof:
            held = self.inflater.unconsumed_tail
            if not held:
                held = self.stream.read(min(self.left, 2**16))
                self.left -= len(held)
            part = self.inflater.decompress(held, size)
            if not part and not held:
                break
            parts.append(part)
            size -= len(part)
            self.allowed -= len(part)
        if self.allowed < 0:
            raise InputError("it unpacks to far more bytes than it has, which is the limit for such a file")
        return parts

    def tag(self) -> tuple[int, int, bytes | None]:
        """Type, number of bytes, and those bytes themselves where they are few enough to stand in the tag."""
        tag = self.read(8)
        kind, size = struct.unpack(f"{self.order}II", tag)
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise InputError(f"{size} bytes stand where 4 have room")
            return kind, size, tag[4 : 4 + size]
        return kind, size, None

    def values(self, allowed: dict[int, int], limit: int) -> tuple[int, bytes]:
        """The type and content of a small element."""
        kind, size, content = self.tag()
        _check_kind(kind, size, allowed)
        if size > limit:
            raise InputError(f"{size:,} bytes describe an array; expected {limit:,} at the most")
        if content is None:
            content = self.read(size)
            self.skip(-size % 8)
        return kind, content

    def pass_over(self, allowed: dict[int, int]) -> int:
        """Skip an element's content; how many bytes it had."""
        kind, size, content = self.tag()
        _check_kind(kind, size, allowed)
        if content is None:
            self.skip(size + -size % 8)
        return size


def _check_kind(kind: int, size: int, allowed: dict[int, int]) -> None:
    if kind not in allowed:
        raise InputError(f"type {kind} stands where one of {', '.join(map(str, allowed))} may")
    if size % allowed[kind]:
        raise InputError(f"{size} bytes hold no whole number of elements of type {kind}")


def _check_file(stream: BinaryIO, names: set[str]) -> None:
    header = stream.read(128)
    orders = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
    if len(header) < 128 or header[124:] not in orders:
        raise InputError("expected one of MATLAB 5 (save -v6 or -v7)")
    order = orders[header[124:]]
    end = os.fstat(stream.fileno()).st_size
    allowed = unpacked_limit(end, MAX_WEIGHTS_BYTES)
    while (start := stream.tell()) < end:
        outer = _Elements(stream, order)
        kind, size, _ = outer.tag()
        if size > end - start - 8:
            raise InputError(f"an array of {size:,} bytes at byte {start:,}, of {end:,} in all")
        inner = outer
        if kind == COMPRESSED:
            inner = _Elements(stream, order, compressed=size, allowed=allowed)
            kind, _, _ = inner.tag()
        _check_kind(kind, size, ARRAY)
        _check_matrix(inner, names)
        allowed = inner.allowed if inner is not outer else allowed
        stream.seek(start + 8 + size)


def _check_matrix(elements: _Elements, names: set[str] | None, depth: int = 0) -> None:
    """Look through an array behind its tag; what is not among `names` only as far as its name."""
    if depth > MAX_DEPTH:
        raise InputError(f"arrays within arrays, {MAX_DEPTH} deep")
    flags = struct.unpack(f"{elements.order}IIII", elements.read(16))[2]
    _, sides = elements.values({5: 4}, 4 * MAX_SIDES)
    count = math.prod(max(side, 0) for side in struct.unpack(f"{elements.order}{len(sides) // 4}i", sides))
    _, name = elements.values({1: 1, 16: 1}, 2**12)
    if names is not None and name.decode("latin-1") not in names:
        return
    kind = flags & 0xFF
    if kind in NUMERIC:
        for _ in range(2 if flags & COMPLEX else 1):
            elements.pass_over(NUMBERS)
    elif kind == CHAR:
        elements.pass_over(TEXTS)
    elif kind in (CELL, STRUCT):
        fields = 1
        if kind == STRUCT:
            _, length = elements.values({5: 4}, 4)
            if len(length) < 4:
                raise InputError("a struct says nothing of its fields' names")
            (longest,) = struct.unpack(f"{elements.order}i", length)
            _, text = elements.values({1: 1}, 2**20)
            if longest < 1 or len(text) % longest:
                raise InputError(f"names of fields, each of {longest} bytes, in {len(text)}")
            fields = len(text) // longest
        for _ in range(count * fields):
            kind, size, _ = elements.tag()
            _check_kind(kind, size, ARRAY)
            if size:
                _check_matrix(elements, None, depth + 1)
    else:
        raise InputError(f"an array of class {kind}; numbers, text, cells and structs are read")
