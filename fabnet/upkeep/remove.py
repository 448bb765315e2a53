"""`fabnet remove`: removes a person's rows from a store or an embeddings dataset, and from the disk."""

from __future__ import annotations

import difflib
import glob
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.errors import InputError, StoreError
from fabnet.files.fields import check_fields
from fabnet.files.lance import changing, lance_reads, lance_writes, merge_files, sweep
from fabnet.files.lance_lock import locked
from fabnet.files.lance_reading import renew_generation
from fabnet.files.limits import read_text
from fabnet.files.output import written_whole
from fabnet.files.places import as_place
from fabnet.retrieval.filters import quoted
from fabnet.retrieval.gallery import Gallery
from fabnet.runtime.progress import progress
from fabnet.store.index import COLUMNS, TrackIndex, find_tracks
from fabnet.store.ledger import LedgerEntry, clear_pending, replace_ledger
from fabnet.store.side_table import forget_tracks
from fabnet.store.spool import spool_folder
from fabnet.store.track_store import open_store
from fabnet.upkeep.datasets import counts_by_video, disk_use, kind_of, note_removing, removing

__all__ = ["NOT_REACHED", "RemoveReport", "remove"]

REMOVED = "_removed.json"
MAPS = ("pca", "umap")
NOT_REACHED = (
    "the source videos and pictures",
    "checkpoints and encoders trained on these faces, probes fitted on them, and what these compute",
    "other stores and embeddings datasets, and exports of them: CSV, Parquet, npy",
    "pictures and pages that show them: reports, reconstructions, contact sheets, overlays, figures",
    "programs that are running: pages of `serve` until they are reloaded, trainings and notebooks that have read them",
    "browsers' caches of pages that fabnet 0.1 and earlier served, which keep pictures for up to 7 days",
    "features that `probe` keeps in the user's cache folder",
    "names in logs, terminals and results that were printed or saved",
    "hidden files that killed commands left beside their outputs, until the same command runs again",
    "copies: backups, snapshots, clones, object-store versions, and blocks that a disk has freed but not overwritten",
)


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """What was removed, and what could not be."""

    path: str
    """Folder of the store or dataset."""
    kind: str
    """store or embeddings."""
    removed: dict[str, int]
    """Number of removed rows by identity."""
    already_removed: tuple[str, ...]
    """Requested identities that an earlier call has removed."""
    rows: int
    """Number of rows removed in all."""
    tracks: int
    """Number of tracks of these rows."""
    videos: int
    """Number of videos with any of these rows."""
    bytes_before: int
    """Size of the files below the folder before."""
    bytes_after: int
    """Size of the files below the folder after."""
    sources: tuple[str, ...]
    """Source files of the removed rows, which are not deleted."""
    not_reached: tuple[str, ...]
    """Descriptions of what may still contain or show these people."""

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def remove(path: str | Path, identities: str | Iterable[str] = ()) -> RemoveReport:
    """Remove people's rows from a track store or an embeddings dataset, from its index and from its history on disk.

    All other rows are written anew, which for a while takes as much of the disk again. Row numbers change: start
    trainings on the store anew. A removed video's name stays in the ledger, as `removed`, so
    that a repeated `track` or `import` does not bring it back. Killed at any moment, the next call goes on.

    Args:
        path: a store or a dataset that nothing else is writing to.
        identities: a name or several, as the column `identity` gives them; none: only go on with a removal that broke
            off.

    Raises:
        InputError: a name that is not there (and was not removed before); nothing is touched.
        StoreError: neither store nor dataset, damaged, or in use by a command that writes.
        OutputError: the disk is full, or writing there is not allowed.
    """
    path, identities = as_place(path), [identities] if isinstance(identities, str) else list(identities)
    kind = kind_of(path)
    with locked(path):
        broken_off = removing(path)
        if not identities and not broken_off:
            raise InputError(f"no identity given: name the people to remove from {path}")
        tracks = _tracks(path, kind)
        present = {name: 0 for name in dict.fromkeys([*broken_off, *identities])}
        already = []
        known = set(tracks.identity.tolist())
        digests = _Digests(path)
        for name in list(present):
            if name in known or name in broken_off:
                continue
            if name not in digests:
                raise InputError(f"{path} has no identity {name!r}{_near(name, known)}")
            already.append(name)
            del present[name]
        if kind == "store" and present and not broken_off:  # after a part of a removal, it would call the videos failed
            open_store(
                path
            ).recover()  # what a killed `track` committed is entered, so that it can be marked as removed
        gone = tracks.at(np.flatnonzero(np.isin(tracks.identity, list(present))))
        for name, rows in zip(gone.identity.tolist(), gone.lengths.tolist(), strict=True):
            present[name] += rows
        sources = _sources(path, kind, gone)
        _, bytes_before = disk_use(path)
        if present:
            with progress("removing", unit="steps"), lance_writes(path):
                note_removing(path, list(present))
                _delete(path, list(present))
                if kind == "store":
                    _mend_store(path, list(present))
                else:
                    _mend_embeddings(path)
                digests.add(list(present))
                note_removing(path, [])
        _, bytes_after = disk_use(path)
    return RemoveReport(
        path=str(path), kind=kind, removed=present, already_removed=tuple(already), rows=gone.num_rows,
        tracks=len(gone), videos=len(np.unique(gone.video)), bytes_before=bytes_before, bytes_after=bytes_after,
        sources=sources, not_reached=NOT_REACHED,
    )  # fmt: skip


def _tracks(path: Path, kind: str) -> TrackIndex:
    """Runs of rows of one track. An embeddings dataset has no splits, and its rows need not be together."""
    if kind == "store":
        return open_store(path).index(min_frames=1)
    batches = (batch.append_column("split", batch.column("track")) for batch in Gallery(path).scan(COLUMNS[:3]))
    with lance_reads(str(path)):
        table = find_tracks(batches)
        names = {name: np.array(table.column(name).to_pylist(), dtype=np.str_) for name in COLUMNS}
    lengths = table.column("length").to_numpy()
    keys, indices = np.unique(
        np.stack([names["identity"], names["video"], names["track"]], axis=1), axis=0, return_inverse=True
    ) if len(lengths) else (np.empty((0, 3), np.str_), np.empty(0, np.int64))  # fmt: skip
    total = np.bincount(indices.reshape(-1), weights=lengths, minlength=len(keys)).astype(np.int64)
    return TrackIndex(np.zeros(len(keys), np.int64), total, keys[:, 2], keys[:, 0], keys[:, 1], keys[:, 2])


def _near(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; it has {len(known)}, e.g. {min(known)!r}" if known else "; it is empty"


def _sources(path: Path, kind: str, gone: TrackIndex) -> tuple[str, ...]:
    videos = sorted(set(gone.video.tolist()))
    if kind == "embeddings":
        return tuple(videos)
    ledger = open_store(path).ledger()
    return tuple(ledger[video].source if video in ledger else video for video in videos)


def _delete(path: Path, identities: list[str]) -> None:
    forget_tracks(path)  # first, because the table of tracks must never describe other rows than there are
    theirs = f"identity IN ({', '.join(map(quoted, identities))})"
    with lance_reads(str(path)):
        with changing(path) as change:
            change.rows -= change.dataset.count_rows(filter=theirs)
            change.dataset.delete(theirs)
            renew_generation(change.dataset)
        merge_files(path, with_deletions=True)
        sweep(path)


def _mend_store(path: Path, identities: list[str]) -> None:
    shutil.rmtree(spool_folder(path), ignore_errors=True)
    clear_pending(path)
    store = open_store(path)
    store.note_tracks()
    index = store.index(min_frames=1)
    left = counts_by_video(index)
    entries = store.ledger().values()
    replace_ledger(path, [_mended(entry, *left.get(entry.video, (0, 0)), identities) for entry in entries])


def _mended(entry: LedgerEntry, rows: int, tracks: int, identities: list[str]) -> LedgerEntry:
    is_theirs = any(entry.video == name or entry.video.startswith(f"{name}/") for name in identities)
    if rows == 0 and (entry.rows or is_theirs):
        return LedgerEntry(entry.video, "", "removed", "removed on request")
    return replace(entry, rows=rows, tracks=tracks) if rows != entry.rows else entry


def _mend_embeddings(path: Path) -> None:
    gallery = Gallery(path)
    beside = gallery.full_path
    for method in MAPS:  # the maps that `serve` keeps beside the dataset have one point per row
        for file in beside.parent.glob(f"{glob.escape(beside.name)}.{method}-*.npy"):
            file.unlink()
    if gallery.has_index:
        if gallery.is_large_enough:
            gallery.build_index()  # replaces the old one, which contains codes of the removed rows
        else:
            gallery.drop_index()
        with lance_reads(str(path)):
            sweep(path)


class _Digests:
    """The names that were removed, as salted hashes: a name can be recognised but not read."""

    def __init__(self, path: Path) -> None:
        self._file = path / REMOVED
        self._salt, self._known = secrets.token_hex(16), list[str]()
        if self._file.is_file():
            try:
                content = json.loads(read_text(self._file))
                check_fields(content, {"salt": str, "sha256": list[str]})
            except (ValueError, TypeError, RecursionError) as error:
                raise StoreError(
                    f"{self._file} is corrupt ({error}): delete it; earlier removals are then no longer recognised"
                ) from None
            self._salt, self._known = content["salt"], content["sha256"]

    def __contains__(self, name: str) -> bool:
        return self._digest(name) in self._known

    def _digest(self, name: str) -> str:
        return hashlib.sha256(f"{self._salt} {name}".encode()).hexdigest()

    def add(self, names: list[str]) -> None:
        self._known = sorted({*self._known, *map(self._digest, names)})
        with written_whole(self._file, is_internal=True) as partial:
            partial.write_text(json.dumps({"salt": self._salt, "sha256": self._known}), encoding="utf-8")
