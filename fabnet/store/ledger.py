"""The ledger of a store: the outcome of every input, so that a repeated command continues where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from fabnet.errors import StoreError
from fabnet.files.lance import append_table, has_dataset, lance_reads, lance_writes, open_dataset, sweep, write_rows
from fabnet.files.lance_reading import Reader
from fabnet.files.limits import read_text
from fabnet.files.output import written_whole

__all__ = [
    "LedgerEntry",
    "clear_pending",
    "note_pending",
    "read_ledger",
    "read_pending",
    "replace_ledger",
    "write_ledger",
]

FOLDER = "_ledger.lance"
PENDING = "_pending.json"

_DROPPED = pa.list_(pa.struct([("source", pa.string()), ("reason", pa.string())]))
_SCHEMA = pa.schema(
    [
        ("video", pa.string()),
        ("source", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("size_bytes", pa.int64()),
        ("mtime", pa.float64()),
        ("frames_kept", pa.int64()),
        ("frames_with_face", pa.int64()),
        ("tracks", pa.int64()),
        ("rows", pa.int64()),
        ("dropped", _DROPPED),
    ]
)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The outcome of one input."""

    video: str
    """Name of the video, as in the store's rows."""
    source: str
    """Path of the file or folder."""
    status: str
    """ok, no-face, failed (nothing kept), partial (kept up to the damage, or without some frames), or removed (on
    request; not read again)."""
    reason: str = ""
    """Reason of the failure, or what is missing."""
    size_bytes: int = 0
    """Size of the input."""
    mtime: float = 0.0
    """Time of the input's last change, in seconds since 1970."""
    frames_kept: int | None = None
    """Number of frames searched for faces; None if a kill prevented its entry."""
    frames_with_face: int | None = None
    """Number of these frames with a face."""
    tracks: int = 0
    """Tracks in the store."""
    rows: int = 0
    """Rows in the store."""
    dropped: tuple[tuple[str, str], ...] = ()
    """Frames that were left out: (source, reason)."""

    @property
    def is_finished(self) -> bool:
        """Whether a repeated command skips this input; failed inputs are tried again."""
        return self.status != "failed"

    def is_same_file(self, size_bytes: int, mtime: float) -> bool:
        """Whether the input still has its former size and, if it has no rows in the store, its time of last change."""
        return self.size_bytes == size_bytes and (self.rows > 0 or abs(self.mtime - mtime) < 1e-3)

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        values = asdict(self)
        values["dropped"] = [{"source": source, "reason": reason} for source, reason in self.dropped]
        return values


def read_ledger(store: Path) -> dict[str, LedgerEntry]:
    """Read the last entry of every input of a store, by video name; empty if there is no ledger yet.

    Raises:
        StoreError: the ledger is corrupt.
    """
    folder = store / FOLDER
    if not has_dataset(folder):
        return {}
    reader = Reader(folder, f"the ledger of {store}", open_dataset, is_numbered=False)
    rows = reader.read(lambda dataset: dataset.to_table()).to_pylist()
    try:
        return {row["video"]: _entry(row) for row in rows}
    except (KeyError, TypeError) as error:
        raise StoreError(f"the ledger of {store} is corrupt: its rows are not ledger entries ({error})") from None


def _entry(values: Mapping[str, Any]) -> LedgerEntry:
    known = {field.name for field in fields(LedgerEntry)}
    dropped = tuple((each["source"], each["reason"]) for each in values["dropped"] or ())
    return LedgerEntry(**{**{name: value for name, value in values.items() if name in known}, "dropped": dropped})


def note_pending(store: Path, entries: Sequence[LedgerEntry]) -> None:
    """Write entries to a file beside the ledger before their rows are committed, so that a kill cannot lose them.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    with written_whole(store / PENDING, is_internal=True) as path:
        path.write_text(json.dumps([entry.to_json() for entry in entries]), encoding="utf-8")


def read_pending(store: Path) -> dict[str, LedgerEntry]:
    """Read the entries of an interrupted commit, by video name; its rows may or may not be in the store."""
    path = store / PENDING
    if not path.is_file():
        return {}
    try:
        return {values["video"]: _entry(values) for values in json.loads(read_text(path))}
    except (ValueError, KeyError, TypeError, RecursionError):
        # A power cut can leave an empty file; `recover` then makes the entries from the rows.
        return {}


def clear_pending(store: Path) -> None:
    """Delete the pending entries: the ledger has them now, and it takes precedence."""
    with suppress(OSError):
        (store / PENDING).unlink(missing_ok=True)


def write_ledger(store: Path, entries: Sequence[LedgerEntry]) -> None:
    """Add entries to a store's ledger, in one commit.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    if not entries:
        return
    append_table(store, FOLDER, pa.Table.from_pylist([entry.to_json() for entry in entries], schema=_SCHEMA))


def replace_ledger(store: Path, entries: Sequence[LedgerEntry]) -> None:
    """Replace a store's ledger in one commit, and remove its history.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    folder = store / FOLDER
    table = pa.Table.from_pylist([entry.to_json() for entry in entries], schema=_SCHEMA)
    with lance_reads(f"the ledger of {store}"), lance_writes(store):
        write_rows(folder, table, _SCHEMA, overwrite=True)
        sweep(folder)
