"""`fabnet info --verify`: checks that a store or an embeddings dataset is whole and consistent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.errors import FabnetError, OutputError, StoreError
from fabnet.faces.window import decode_jpeg
from fabnet.files.lance import lance_reads, open_dataset
from fabnet.files.lance_lock import locked
from fabnet.files.lance_manifests import state_of
from fabnet.files.places import as_place
from fabnet.retrieval.gallery import Gallery
from fabnet.runtime.progress import progress
from fabnet.store.evenly import evenly
from fabnet.store.index import COLUMNS, find_tracks, index_of
from fabnet.store.ledger import read_pending
from fabnet.store.side_table import read_tracks
from fabnet.store.split import MOMENTS
from fabnet.store.track_store import TrackStore, open_store
from fabnet.upkeep.datasets import counts_by_video, kind_of, removing

__all__ = ["Check", "VerifyReport", "verify"]

SAMPLED = 512
EXAMPLES = 5
ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    """What was checked."""
    checked: int
    """Number of items checked."""
    wrong: int
    """Number of these items that are wrong."""
    examples: tuple[str, ...] = ()
    """The first few wrong items."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked, and what is wrong."""

    path: str
    """Folder of the store or dataset."""
    kind: str
    """store or embeddings."""
    checks: tuple[Check, ...]
    """Checks, in the order in which they were made."""

    @property
    def problem(self) -> str | None:
        """The first problem, in one line; None if there is none."""
        bad = [check for check in self.checks if check.wrong]
        if not bad:
            return None
        more = f" (and {len(bad) - 1} more checks failed)" if len(bad) > 1 else ""
        return f"{self.path} is corrupt: {bad[0].name}: {bad[0].wrong:,} wrong, the first: {bad[0].examples[0]}{more}"

    @property
    def exit_code(self) -> int:
        """0, or the exit code of a StoreError if there is a problem."""
        return StoreError.exit_code if self.problem else 0

    def to_json(self) -> dict[str, Any]:
        """All fields and `problem`, for JSON."""
        return {**asdict(self), "problem": self.problem}


def verify(path: str | Path, *, every_image: bool = False) -> VerifyReport:
    """Check a track store or an embeddings dataset; nothing is changed.

    Of a store: that its tracks are contiguous, in the order of time and each in one split, a person in one split; that
    the table of tracks and the ledger say what the rows say; that pictures decode and have the stored size. Of
    embeddings: that each row has a finite, non-zero embedding or a reason why not; that thumbnails decode.

    Args:
        path: the store or dataset.
        every_image: decode all pictures, not 512 of them, evenly spread.

    Raises:
        StoreError: it is neither, cannot be opened, is of another version, or another command is writing to it.
    """
    path = as_place(path)
    state = state_of(path)
    kind = kind_of(path)
    checks = _of_store(open_store(path), every_image) if kind == "store" else _of_embeddings(path, every_image)
    broken_off = removing(path)
    problems = [f"that of {name} was interrupted: finish it with `fabnet remove {path}`" for name in broken_off]
    ended = _check("removals are finished", len(broken_off), problems)
    report = VerifyReport(str(path), kind, (ended, *checks))
    if report.problem:
        _check_unchanged(path, state, is_removing=bool(broken_off))
    return report


def _check_unchanged(path: Path, state: object, *, is_removing: bool) -> None:
    """Check that the problem is not merely the unfinished work of a command that is writing."""
    if is_removing:
        with suppress(OutputError), locked(path):  # raises if a removal is still running
            pass
    if state_of(path) != state:
        raise StoreError(f"another command wrote to {path} while it was checked: wait for it, then check again")


def _check(name: str, checked: int, problems: list[str]) -> Check:
    return Check(name, checked, len(problems), tuple(problems[:EXAMPLES]))


def _of_store(store: TrackStore, every_image: bool) -> Iterator[Check]:
    with lance_reads(f"the store {store.path}"):
        from_rows = find_tracks(store.batches(COLUMNS))
    noted = read_tracks(store.path, generation=store.generation)
    differs = not noted.equals(from_rows.slice(0, len(noted)))  # the table may lack the last tracks
    yield _check("table of tracks against the rows", len(from_rows), ["they differ: compact the store"] * bool(differs))
    try:
        index = index_of(store.path, from_rows)
    except StoreError as error:
        yield _check("rows of a track are contiguous", len(from_rows), [str(error)])
        return
    yield _check("rows of a track are contiguous", len(index), [])
    yield _check("rows of a track are in the order of time", store.num_rows, list(_out_of_order(store)))
    if store.settings.get("splits") != MOMENTS:
        pairs = sorted({*zip(index.identity.tolist(), index.split.tolist(), strict=True)})
        people = [name for name, _ in pairs]
        twice = sorted({name for name, other in pairwise(people) if name == other})
        yield _check("people are in one split", len(set(people)), [f"{name} is in several" for name in twice])
    yield _ledger(store, counts_by_video(index))
    size = store.crop.get("size")
    yield _pictures("pictures decode", store.path, "image", size, every_image)


def _out_of_order(store: TrackStore) -> Iterator[str]:
    last: dict[str, Any] | None = None
    for batch in store.batches(["video", "track", "frame", "time_s"]):
        rows = batch.to_pylist()
        for before, row in pairwise([last, *rows]):
            if before is None or (before["video"], before["track"]) != (row["video"], row["track"]):
                continue
            is_timed = before["time_s"] is not None and row["time_s"] is not None
            if row["frame"] <= before["frame"] or (is_timed and row["time_s"] < before["time_s"]):
                yield f"{row['video']} track {row['track']}: frame {row['frame']} after frame {before['frame']}"
        last = rows[-1] if rows else last


def _ledger(store: TrackStore, found: dict[str, tuple[int, int]]) -> Check:
    """Compare the ledger with the rows. The next command that writes enters what a kill kept out of the ledger."""
    ledger = store.ledger()
    pending = read_pending(store.path)  # entries whose rows may or may not be there
    ledger |= {
        video: entry for video, entry in pending.items()
        if video in found and (video not in ledger or not ledger[video].rows)
    }  # fmt: skip
    is_halved = store.settings.get("splits") == MOMENTS  # the ledger counts tracks before they are split
    problems = []
    for video in sorted(found.keys() | ledger.keys()):
        rows, tracks = found.get(video, (0, 0))
        entry = ledger.get(video)
        if entry is None:
            problems.append(f"{video} has {rows} rows and no entry: the next `track` or `import` adds it")
        elif entry.rows != rows:
            problems.append(f"{video}: {entry.rows} rows in the ledger, {rows} in the store")
        elif entry.tracks != tracks and not is_halved:
            problems.append(f"{video}: {entry.tracks} tracks in the ledger, {tracks} in the store")
    return _check("ledger against the rows", len(found.keys() | ledger.keys()), problems)


def _pictures(name: str, path: Path, column: str, size: int | None, every_image: bool) -> Check:
    with lance_reads(str(path)):
        dataset = open_dataset(path, lists_bytes=math.inf)
        count = dataset.count_rows()
    rows = np.arange(count) if every_image else evenly(count, SAMPLED)
    problems = []
    with progress("decoding", total=len(rows), unit="pictures") as bar:
        for first in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[first : first + ROWS_AT_ONCE].tolist()
            try:
                with lance_reads(f"rows {some[0]} to {some[-1]}"):
                    images = dataset.take(some, columns=[column]).column(column).to_pylist()
            except StoreError as error:
                problems.append(str(error))
                continue
            faults = ((row, _fault(data, size)) for row, data in zip(some, images, strict=True))
            problems += [f"row {row}: {fault}" for row, fault in faults if fault]
            bar.advance(len(some))
    return _check(name, len(rows), problems)


def _fault(data: bytes | None, size: int | None) -> str | None:
    if data is None:
        return None  # a row without a face
    try:
        height, width = decode_jpeg(data).shape[:2]
    except FabnetError as error:
        return str(error)
    return None if size in (None, width) and height == width else f"{width} x {height} px; expected {size} x {size}"


def _of_embeddings(path: Path, every_image: bool) -> Iterator[Check]:
    gallery = Gallery(path)
    problems: list[str] = []
    for batch in gallery.scan(["id", "reason", "embedding"]):
        problems += _unsound(batch, gallery.embedding_dim)
    yield _check("embeddings are finite and not zero, or have a reason", gallery.num_rows, problems)
    if gallery.has_thumbnails:
        yield _pictures("thumbnails decode", path, "thumbnail", None, every_image)


def _unsound(batch: pa.RecordBatch, dim: int) -> list[str]:
    ids, reasons = batch.column("id").to_pylist(), batch.column("reason").to_pylist()
    is_there = np.asarray(batch.column("embedding").is_valid())
    found = np.asarray(batch.column("embedding").drop_null().flatten(), np.float32).reshape(-1, dim)
    norms = np.full(len(ids), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        norms[is_there] = np.linalg.norm(found.astype(np.float64), axis=1)
    problems = [f"{ids[i]}: no embedding and no reason" for i in np.flatnonzero(~is_there) if not reasons[i]]
    bad = is_there & ~(np.isfinite(norms) & (norms > 0))
    return problems + [f"{ids[i]}: an embedding of length {norms[i]}" for i in np.flatnonzero(bad)]
