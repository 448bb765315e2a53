"""Digests of files, kept on disk, so that a file is read again only if it has changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from fabnet.errors import OutputError
from fabnet.files.limits import read_bytes
from fabnet.files.places import make_folder

__all__ = ["Digests"]

SETTLED_NS = 2 * 10**9
"""Age of a change from which a digest is kept. A file that changes again within its file system's granularity (2 s at
most) would look the same."""
COMMIT_EVERY = 1000
WAIT_S = 5.0
"""How long to wait for another command that writes to the database."""


class Digests:
    """SHA-256 digests of files, by their absolute paths.

    A kept digest is used only if size, inode, time of change and time of the inode's change are the same as then. What
    keeps them is never needed: if it is corrupt, locked or cannot be written, files are read again.

    Args:
        file: the SQLite database; None: nothing is kept.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def of(self, files: Sequence[Path]) -> Iterator[bytes]:
        """Digest files, in their order.

        Raises:
            InputError: it is not a regular file, or is too large for a picture.
            OSError: it cannot be read.
        """
        if self._file is None:
            yield from map(_digest, files)
            return
        done = 0
        try:
            with closing(self._opened(self._file)) as kept:
                for file in files:
                    digest = _kept_digest(kept, file)
                    done += 1
                    if done % COMMIT_EVERY == 0:
                        kept.commit()
                    yield digest
                kept.commit()
        except (sqlite3.Error, OutputError) as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                with suppress(OSError):
                    self._file.unlink()  # it is corrupt
            yield from map(_digest, files[done:])

    @staticmethod
    def _opened(file: Path) -> sqlite3.Connection:
        make_folder(file.parent)
        kept = sqlite3.connect(file, timeout=WAIT_S)
        try:
            kept.execute("CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, state TEXT, digest BLOB)")
        except sqlite3.Error:
            kept.close()
            raise
        return kept


def _kept_digest(kept: sqlite3.Connection, file: Path) -> bytes:
    path, before = os.path.abspath(file), file.stat()
    found = kept.execute("SELECT digest FROM digests WHERE path = ? AND state = ?", (path, _state(before))).fetchone()
    if found is not None:
        return bytes(found[0])
    now = time.time_ns()
    digest = _digest(file)
    is_settled = now - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED_NS
    if is_settled and _state(file.stat()) == _state(before):
        kept.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (path, _state(before), digest))
    return digest


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"


def _digest(file: Path) -> bytes:
    return hashlib.sha256(read_bytes(file)).digest()
