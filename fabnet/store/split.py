"""Splits people into train, val and test: by a stable hash, by a file, or by moments of one person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fabnet.errors import InputError
from fabnet.files.csv_file import read_csv
from fabnet.files.names import spelt
from fabnet.files.places import as_place, fetched
from fabnet.store.schema import SPLITS

if TYPE_CHECKING:
    from fabnet.store.index import TrackIndex

__all__ = ["MOMENTS", "absent_notes", "check_unmoved", "moments_cut", "read_splits", "split_of", "splits_for"]

SHARES = (("train", 0.75), ("val", 0.15), ("test", 0.10))
MOMENTS = "moments"
MOMENTS_TRAIN = 0.75
"""Share of each track's time that is in train if a single person is split by moments."""


def split_of(key: str) -> str:
    """Assign an identity to a split, independently of all others: 75 % train, 15 % val, 10 % test.

    Args:
        key: name of the identity (of the video, if every track is an identity of its own).

    Returns:
        train, val or test.

    Source:
        The paper gives the shares (section 5). It draws at random; here a SHA-256 hash decides, so that adding videos
        never moves a person.
    """
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    limit = 0.0
    for split, share in SHARES:
        limit += share
        if place < limit:
            return split
    return SHARES[-1][0]


def read_splits(path: Path) -> dict[str, str]:
    """Read a split file: a CSV with the header `identity,split` or `person,split`.

    Raises:
        InputError: the file is missing or has another header, an unknown split, or an identity in two splits.
    """
    if not path.exists():
        raise InputError(f"no such split file: {path}")
    rows = read_csv(path, "identity,split")
    columns = list(rows[0][1]) if rows else []
    key = next((name for name in ("identity", "person") if name in columns), None)
    if key is None or "split" not in columns:
        found = ",".join(str(name) for name in columns) or "nothing"
        raise InputError(f"{path}: expected the header identity,split (or person,split) and rows; found {found}")
    splits: dict[str, str] = {}
    for number, row in rows:
        identity, split = (row[key] or "").strip(), (row["split"] or "").strip()
        if split not in SPLITS:
            raise InputError(f"{path}, line {number}: split is {split!r}; expected {', '.join(SPLITS)}")
        if splits.setdefault(identity, split) != split:
            raise InputError(f"{path}, line {number}: {identity} is in {splits[identity]} and in {split}; choose one")
    return splits


def splits_for(keys: Sequence[str], splits: str | Path) -> Mapping[str, str]:
    """Find the split of every identity.

    Args:
        keys: names of the identities.
        splits: "hash", "moments" (for one person: validation is on other moments, not other people), or a CSV file.

    Returns:
        The split of each key; "moments" for all keys if that is asked for, because each track is then in two splits.

    Raises:
        InputError: the file is wrong, or lacks identities.
    """
    if str(splits) == "hash":
        return {key: split_of(key) for key in keys}
    if str(splits) == MOMENTS:
        return dict.fromkeys(keys, MOMENTS)
    known = {spelt(identity): split for identity, split in read_splits(fetched(as_place(splits))).items()}
    missing = sorted(key for key in set(keys) if spelt(key) not in known)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{splits} has no split for the identity {missing[0]}{more}: add a line `{missing[0]},train`")
    return {key: known[spelt(key)] for key in keys}


def absent_notes(splits: str | Path, found: Mapping[str, str]) -> list[str]:
    """List the identities of a split file that do not occur, in at most one line; empty if `splits` is not a file.

    Args:
        splits: as in `splits_for`.
        found: the result of `splits_for`.
    """
    if str(splits) in ("hash", MOMENTS):
        return []
    there = {spelt(identity) for identity in found}
    absent = [identity for identity in read_splits(fetched(as_place(splits))) if spelt(identity) not in there]
    names = ", ".join(absent[:3]) + (" ..." if len(absent) > 3 else "")
    return [f"{splits} has splits for {len(absent):,} identities that do not occur: {names}"] if absent else []


def check_unmoved(store: Path, index: TrackIndex, splits: Mapping[str, str]) -> None:
    """Refuse to move a person of a store to another split, because that person would then be in both.

    Args:
        store: path of the store, for the message.
        index: all tracks of the store.
        splits: requested split of each identity, or "moments".

    Raises:
        InputError: an identity would move; the message gives its name.
    """
    for identity, split in zip(index.identity.tolist(), index.split.tolist(), strict=True):
        asked = splits.get(identity, split)
        if asked not in (split, MOMENTS):
            raise InputError(
                f"{identity} is in {split} in {store}, but the splits given say {asked}: keep the split, or use "
                "another --out"
            )


def moments_cut(times: np.ndarray) -> int:
    """Cut a track in two: the first 75 % of its time is for training, the rest for validation.

    Args:
        times: (N,) ascending times of its rows in seconds, or frame numbers.

    Returns:
        The number of rows before the cut, at least one.
    """
    limit = times[0] + MOMENTS_TRAIN * (times[-1] - times[0])
    return max(1, int(np.searchsorted(times, limit, side="right" if times[-1] == times[0] else "left")))
