"""Reads files written by `torch.save` as weights alone: nothing in them is run."""

from __future__ import annotations

import pickletools
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fabnet.errors import InputError, ModelError, first_line
from fabnet.files.archives import open_archive
from fabnet.files.limits import MAX_WEIGHTS_BYTES, open_input

if TYPE_CHECKING:
    import torch

__all__ = ["read_torch_file", "unreadable"]

MAX_NAME = 1000
PICKLES = 5
"""Number of consecutive pickles in a file from before PyTorch 1.6."""
ZIP_BEGINS = b"PK\x03\x04"
NAMED = re.compile(
    r"collections (OrderedDict|Counter)|(builtins|__builtin__) (set|complex)|torch(\.cuda)? \w+Storage"
    r"|torch (Size|device|\w+\d+|bool)|torch\._utils _rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.nn\.parameter Parameter|torch\.serialization _get_layout|torch\.storage \w+Storage"
)
"""The names that weights need, out of those that `weights_only` allows: the others can allocate any size they state."""
MAX_SHARED_TIMES = 4
"""Upper bound of the size of all tensors over that of the file: a few tensors may share their storage."""


def read_torch_file(file: Path, expected: str) -> Any:
    """Read tensors and plain values.

    Args:
        file: file written by `torch.save` of any version.
        expected: the expected content, for the message.

    Raises:
        InputError: it is not a regular file, or is too large.
        ModelError: it holds anything but tensors and plain values, or is corrupt.
    """
    import torch

    with open_input(file, MAX_WEIGHTS_BYTES) as stream:
        try:
            size = stream.seek(0, 2)
            _check_stream(stream)
            stream.seek(0)
            with warnings.catch_warnings(action="ignore"):  # unreadable files are refused below
                content = torch.load(stream, map_location="cpu", weights_only=True)
            _check_tensors(content, size)
            return content
        except Exception as error:  # torch's errors on other kinds of file have no common base
            raise unreadable(file, error, expected) from None


def unreadable(file: Path, error: Exception, expected: str) -> ModelError:
    """The error for a file of weights that cannot be read."""
    return ModelError(
        f"{file} cannot be read as weights alone ({first_line(error)}); nothing in it was run; {expected}"
    )


def _check_stream(stream: IO[bytes]) -> None:
    """Refuse a file that unpacks to far more than its size, or that names a class which weights do not need.

    torch reports all other faults. A class with a very long name is refused here, since torch takes quadratic time for
    its message about one.
    """
    stream.seek(0)
    if stream.read(len(ZIP_BEGINS)) == ZIP_BEGINS:
        archive = open_archive(stream, MAX_WEIGHTS_BYTES)
        for name in archive.namelist():
            if name.rpartition("/")[2] == "data.pkl":
                _check_names(archive.open(name), 1)
    else:
        stream.seek(0)
        _check_names(stream, PICKLES)


def _check_names(stream: IO[bytes], count: int) -> None:
    names: set[str] = set()
    with suppress(Exception):
        for _ in range(count):
            names.update(str(argument) for code, argument, _ in pickletools.genops(stream) if code.name == "GLOBAL")
    for name in names:
        if len(name) > MAX_NAME:
            raise InputError(f"it names a class of {len(name):,} characters; nothing in it was run")
        if not NAMED.fullmatch(name):
            raise InputError(f"it names {name.replace(' ', '.')}")


def _check_tensors(content: Any, size: int) -> None:
    """Refuse tensors that repeat a few numbers endlessly: the first copy of one would fill the memory."""
    total = 0
    for tensor in _tensors(content):
        count = tensor.numel() * tensor.element_size()
        total += count
        if tensor.is_sparse or count > tensor.untyped_storage().nbytes() or total > MAX_SHARED_TIMES * size:
            raise InputError(f"a tensor of shape {tuple(tensor.shape)} takes more than the file has")


def _tensors(content: Any) -> Iterable[torch.Tensor]:
    import torch

    waiting, seen = [content], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, torch.Tensor):
            yield each
        elif isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, list | tuple | set):
            waiting += each
