"""What an operating system's refusal looks like through Lance."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabnet.output import output_errors

__all__ = ["lance_writes"]


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
