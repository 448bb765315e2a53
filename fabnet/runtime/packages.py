"""Finds optional packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fabnet.errors import MissingDependencyError

__all__ = ["package_folder"]


def package_folder(package: str, *, needed_by: str, install: str) -> Path:
    """Find the folder of an installed package without importing it.

    Args:
        package: import name of the package.
        needed_by: the feature that needs it, for the message.
        install: the command that installs it, for the message.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(f"{needed_by} needs the package {package}: {install}")
    return Path(spec.origin).parent
