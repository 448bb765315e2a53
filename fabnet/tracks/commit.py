"""Whether a Lance dataset was ever committed, and what an operating system's refusal looks like through Lance."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabnet.output import output_errors

__all__ = ["has_dataset", "lance_writes"]


def has_dataset(path: Path) -> bool:
    """Say whether there is a Lance dataset: a kill or a full disk can leave its folders without a first commit."""
    versions = path / "_versions"
    return versions.is_dir() and any(entry.suffix == ".manifest" for entry in versions.iterdir())


@contextmanager
def lance_writes(path: Path) -> Iterator[None]:
    """Turn a refusal to write into one clear line; Lance reports them as text: `... (os error 28)`.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    with output_errors(path):
        try:
            yield
        except OSError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if error.errno is None and number:
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
            raise
