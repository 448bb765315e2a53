"""The version of the package, and the commit of its code."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["VERSION", "code_commit"]

VERSION = "0.1.0"


def code_commit() -> str | None:
    """The commit of this code if it is a git checkout, with "-dirty" if it was changed; else None."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        made = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return made.stdout.strip()
