"""Names of files in tables that users give, which may be spelt in another way than on the disk.

Programs of Windows put a backslash between folders, and macOS splits letters with accents into two characters, so that
two names which look alike may differ.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["find_file", "spelt"]


def spelt(name: str) -> str:
    """A name in one spelling, to compare it: composed characters (NFC), and `/` between folders."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def find_file(folder: Path, name: str) -> Path:
    """A file by its name in any spelling; if there is none, the path of the name as it is.

    Args:
        folder: folder that the name is relative to.
        name: a path below it.
    """
    posix = name.replace("\\", "/")
    names = dict.fromkeys([name, posix, *(unicodedata.normalize(form, posix) for form in ("NFC", "NFD"))])
    return next((folder / each for each in names if os.path.isfile(folder / each)), folder / name)
