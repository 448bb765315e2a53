"""The ledger of a store: what became of every input, so that the same command again goes on where it stopped."""

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
    """What became of one input."""

    video: str
    """Name of the video, as in the store's rows."""
    source: str
    """Path of the file or folder."""
    status: str
    """ok, no-face, failed (nothing kept), partial (kept up to the damage, or some frames dropped), or removed (on
    request; it is not read again)."""
    reason: str = ""
    """Why it failed, or what is missing."""
    size_bytes: int = 0
    """Size of the input."""
    mtime: float = 0.0
    """When the input was last changed, seconds since 1970."""
    frames_kept: int | None = None
    """Frames looked at; None where a kill came before it was written down."""
    frames_with_face: int | None = None
    """Of these, the ones with a face."""
    tracks: int = 0
    """Tracks in the store."""
    rows: int = 0
    """Rows in the store."""
    dropped: tuple[tuple[str, str], ...] = ()
    """Frames that were left out: (source, reason)."""

    @property
    def is_finished(self) -> bool:
        """Whether a repeated command has nothing to do here; what failed is tried again."""
        return self.status != "failed"

    def is_same_file(self, size_bytes: int, mtime: float) -> bool:
        """Whether the input still has the size (and the time, where rows are at stake only the size) it had."""
        return self.size_bytes == size_bytes and (self.rows > 0 or abs(self.mtime - mtime) < 1e-3)

    def to_json(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        values = asdict(self)
        values["dropped"] = [{"source": source, "reason": reason} for source, reason in self.dropped]
        return values


def read_ledger(store: Path) -> dict[str, LedgerEntry]:
    """Read the last entry of every input of a store, by video name; empty where there is no ledger yet.

    Raises:
        StoreError: the ledger is damaged.
    """
    folder = store / FOLDER
    if not has_dataset(folder):
        return {}
    reader = Reader(folder, f"the ledger of {store}", open_dataset, is_numbered=False)
    rows = reader.read(lambda dataset: dataset.to_table()).to_pylist()
    try:
        return {row["video"]: _entry(row) for row in rows}
    except (KeyError, TypeError) as error:
        raise StoreError(f"the ledger of {store} is damaged: its entries are no entries ({error})") from None


def _entry(values: Mapping[str, Any]) -> LedgerEntry:
    known = {field.name for field in fields(LedgerEntry)}
    dropped = tuple((each["source"], each["reason"]) for each in values["dropped"] or ())
    return LedgerEntry(**{**{name: value for name, value in values.items() if name in known}, "dropped": dropped})


def note_pending(store: Path, entries: Sequence[LedgerEntry]) -> None:
    """Write entries down beside the ledger before their rows are committed, so that no kill can lose what they say.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    with written_whole(store / PENDING) as path:
        path.write_text(json.dumps([entry.to_json() for entry in entries]), encoding="utf-8")


def read_pending(store: Path) -> dict[str, LedgerEntry]:
    """Read the entries of the last commit that did not reach its end, by video name; its rows may be there or not."""
    path = store / PENDING
    if not path.is_file():
        return {}
    try:
        return {values["video"]: _entry(values) for values in json.loads(read_text(path))}
    except (ValueError, KeyError, TypeError, RecursionError):
        # A machine that lost its power can leave an empty file; the rows tell the rest.
        return {}


def clear_pending(store: Path) -> None:
    """Forget the pending entries: they are in the ledger, which counts before them."""
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
    """Write a store's ledger anew, in one commit, and remove what it said before.

    Raises:
        OutputError: the disk is full, or writing there is not allowed.
    """
    folder = store / FOLDER
    table = pa.Table.from_pylist([entry.to_json() for entry in entries], schema=_SCHEMA)
    with lance_reads(f"the ledger of {store}"), lance_writes(store):
        write_rows(folder, table, _SCHEMA, overwrite=True)
        sweep(folder)
