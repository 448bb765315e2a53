"""MATLAB 5 files, which are checked before scipy reads them, because it uses a tag's type as an unchecked index.

The checks are kept instead of a worker process with a memory limit, which would catch less. Of 2,268 files with one
changed byte, 30 crash scipy 1.17, 10 make it ask for more than 4 GiB, 1 hangs it, and 30 are read as other content
without an error. A worker would stop the first 30 and the hang, the 10 where the system enforces the limit (Linux), and
none of the last 30.

Format ("MAT-File Format", The MathWorks): a tag is a type and a number of bytes. An array (type 14) consists of its
class and flags, its dimensions, its name, and its numbers or further arrays. A compressed element (type 15) holds one
array.
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
"""Bytes per number, by type of element."""
TEXTS = {1: 1, 2: 1, 4: 2, 16: 1, 17: 1, 18: 1}
"""Bytes per character, by type of element; the UTF types (16 to 18) are counted in bytes."""
ARRAY, COMPRESSED = {14: 1}, 15
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC = range(6, 16)
"""Classes of plain numbers, double to uint64. Objects, sparse arrays and functions are refused."""
COMPLEX = 0x800
MAX_DEPTH, MAX_SIDES, CHUNK = 16, 32, 2**20


def read_arrays(file: Path, names: Collection[str]) -> dict[str, Any]:
    """Read arrays of a MATLAB 5 file, compressed or not: numbers, text, cells and structs.

    Args:
        file: the file; the caller limits its size. Compressed data in it may unpack to 20 times that size.
        names: names of the variables to read.

    Returns:
        The variables that exist, by name, as `scipy.io.loadmat` gives them.

    Raises:
        InputError: it is not such a file, is corrupt, or has something else under one of these names.
    """
    from scipy.io import loadmat

    try:
        with open_input(file, None) as stream:
            _check_file(stream, set(names))
        content = loadmat(file, variable_names=list(names))
    except Exception as error:  # scipy's errors for corrupt files have no common base class
        raise InputError(f"{file} is not a MATLAB 5 file: {first_line(error)}") from error
    return {name: value for name, value in content.items() if name in names}


class _Elements:
    """Reads the elements of a file, or of a compressed element in it, in order."""

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
            raise InputError("it unpacks to more bytes than the limit for a file of its size")
        return parts

    def tag(self) -> tuple[int, int, bytes | None]:
        """Type, number of bytes, and the bytes themselves if there are at most 4, which are inside the tag."""
        tag = self.read(8)
        kind, size = struct.unpack(f"{self.order}II", tag)
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise InputError(f"a tag has {size} bytes of data; expected 4 at most")
            return kind, size, tag[4 : 4 + size]
        return kind, size, None

    def values(self, allowed: dict[int, int], limit: int) -> tuple[int, bytes]:
        """Type and content of an element of at most `limit` bytes."""
        kind, size, content = self.tag()
        _check_kind(kind, size, allowed)
        if size > limit:
            raise InputError(f"{size:,} bytes describe an array; expected {limit:,} at most")
        if content is None:
            content = self.read(size)
            self.skip(-size % 8)
        return kind, content

    def pass_over(self, allowed: dict[int, int]) -> int:
        """Skip an element's content; return its number of bytes."""
        kind, size, content = self.tag()
        _check_kind(kind, size, allowed)
        if content is None:
            self.skip(size + -size % 8)
        return size


def _check_kind(kind: int, size: int, allowed: dict[int, int]) -> None:
    if kind not in allowed:
        raise InputError(f"found an element of type {kind}; expected one of {', '.join(map(str, allowed))}")
    if size % allowed[kind]:
        raise InputError(f"{size} bytes are not a whole number of elements of type {kind}")


def _check_file(stream: BinaryIO, names: set[str]) -> None:
    header = stream.read(128)
    orders = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
    if len(header) < 128 or header[124:] not in orders:
        raise InputError("expected the header of MATLAB 5 (save -v6 or -v7)")
    order = orders[header[124:]]
    end = os.fstat(stream.fileno()).st_size
    allowed = unpacked_limit(end, MAX_WEIGHTS_BYTES)
    while (start := stream.tell()) < end:
        outer = _Elements(stream, order)
        kind, size, _ = outer.tag()
        if size > end - start - 8:
            raise InputError(f"an array at byte {start:,} has {size:,} bytes, but the file ends at {end:,}")
        inner = outer
        if kind == COMPRESSED:
            inner = _Elements(stream, order, compressed=size, allowed=allowed)
            kind, _, _ = inner.tag()
        _check_kind(kind, size, ARRAY)
        _check_matrix(inner, names)
        allowed = inner.allowed if inner is not outer else allowed
        stream.seek(start + 8 + size)


def _check_matrix(elements: _Elements, names: set[str] | None, depth: int = 0) -> None:
    """Check an array after its tag; arrays not among `names` only up to their name."""
    if depth > MAX_DEPTH:
        raise InputError(f"its arrays are nested more than {MAX_DEPTH} deep")
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
                raise InputError("a struct lacks the length of its field names")
            (longest,) = struct.unpack(f"{elements.order}i", length)
            _, text = elements.values({1: 1}, 2**20)
            if longest < 1 or len(text) % longest:
                raise InputError(f"a struct has {len(text)} bytes of field names of {longest} bytes each")
            fields = len(text) // longest
        for _ in range(count * fields):
            kind, size, _ = elements.tag()
            _check_kind(kind, size, ARRAY)
            if size:
                _check_matrix(elements, None, depth + 1)
    else:
        raise InputError(f"found an array of class {kind}; expected numbers, text, cells or structs")
