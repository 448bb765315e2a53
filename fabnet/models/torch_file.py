"""Files that `torch.save` wrote, read as weights alone: nothing in them is run."""

from __future__ import annotations

import pickletools
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from fabnet.errors import ModelError, first_line
from fabnet.limits import MAX_WEIGHTS_BYTES, check_file, open_input

__all__ = ["read_torch_file", "unreadable"]

MAX_NAME = 1000
PICKLES = 5
"""In a file of before PyTorch 1.6, one after another."""


def read_torch_file(file: Path, expected: str) -> Any:
    """Read tensors and plain values.

    Args:
        file: written by `torch.save`, of any version.
        expected: what should have been there, for the message.

    Raises:
        InputError: it is too large.
        ModelError: it holds anything but tensors and plain values, or is damaged.
    """
    import torch

    check_file(file, MAX_WEIGHTS_BYTES)
    _check_names(file)
    try:
        with warnings.catch_warnings(action="ignore"):  # of unusual files: what cannot be read is refused below
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises on a file of another kind has no common base
        raise unreadable(file, error, expected) from None


def unreadable(file: Path, error: Exception, expected: str) -> ModelError:
    """What to raise of a file of weights that cannot be read."""
    return ModelError(
        f"{file} cannot be read as weights alone ({first_line(error)}); nothing in it was run; {expected}"
    )


def _check_names(file: Path) -> None:
    """Refuse a file that names a class at absurd length: what torch says of it takes the square of the length to make.

    Whatever else is wrong with the file is for torch to say.
    """
    longest = 0
    with suppress(Exception), open_input(file, MAX_WEIGHTS_BYTES) as content:
        pickles: IO[bytes] = content
        if zipfile.is_zipfile(content):
            archive = zipfile.ZipFile(content)
            pickles = archive.open(next(name for name in archive.namelist() if name.endswith("/data.pkl")))
        else:
            content.seek(0)
        for _ in range(PICKLES):
            for code, argument, _ in pickletools.genops(pickles):
                longest = max(longest, len(str(argument)) if code.name == "GLOBAL" else 0)
    if longest > MAX_NAME:
        raise ModelError(f"{file} is damaged: it names a class of {longest:,} characters; nothing in it was run")
