"""Which people are trained on, which validate and which test: by a stable hash, a file, or moments of one person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fabnet.errors import InputError
from fabnet.files.limits import read_csv
from fabnet.files.places import as_place, fetched
from fabnet.store.index import TrackIndex
from fabnet.store.schema import SPLITS

__all__ = ["MOMENTS", "absent_notes", "check_unmoved", "moments_cut", "read_splits", "split_of", "splits_for"]

SHARES = (("train", 0.75), ("val", 0.15), ("test", 0.10))
MOMENTS = "moments"
MOMENTS_TRAIN = 0.75
"""Share of each track's time that is trained on where a single person is split by moments."""


def split_of(key: str) -> str:
    """Put an identity into a split, the same one whatever else there is: 75 % train, 15 % val, 10 % test.

    Args:
        key: name of the identity (of the video, where every track is an identity of its own).

    Returns:
        train, val or test.

    Source:
        The shares are the paper's (section 4); its draw is random, this one a SHA-256 hash, so that adding videos
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
        InputError: no such file, another header, an unknown split, or an identity in two splits.
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
        splits: "hash", "moments" (one person: other moments validate, not other people), or a CSV file.

    Returns:
        The split of each key; with "moments" the word itself, as each track is in two splits.

    Raises:
        InputError: the file is wrong, or lacks identities.
    """
    if str(splits) == "hash":
        return {key: split_of(key) for key in keys}
    if str(splits) == MOMENTS:
        return dict.fromkeys(keys, MOMENTS)
    known = read_splits(fetched(as_place(splits)))
    missing = sorted(set(keys) - known.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{splits} has no split for the identity {missing[0]}{more}: add a line `{missing[0]},train`")
    return {key: known[key] for key in keys}


def absent_notes(splits: str | Path, found: Mapping[str, str]) -> list[str]:
    """Say which identities a split file has that are not there, in a line; none where it is not a file.

    Args:
        splits: as `splits_for` takes it.
        found: what it gave.
    """
    if str(splits) in ("hash", MOMENTS):
        return []
    absent = [identity for identity in read_splits(fetched(as_place(splits))) if identity not in found]
    names = ", ".join(absent[:3]) + (" ..." if len(absent) > 3 else "")
    return [f"{splits} has splits for {len(absent):,} identities that are not there: {names}"] if absent else []


def check_unmoved(store: Path, index: TrackIndex, splits: Mapping[str, str]) -> None:
    """Refuse to put somebody who is in a store already into another split: that person would be on both sides.

    Args:
        store: its path, for the message.
        index: all tracks of the store.
        splits: the split asked for by identity, or "moments".

    Raises:
        InputError: naming the first identity that would move.
    """
    for identity, split in zip(index.identity.tolist(), index.split.tolist(), strict=True):
        asked = splits.get(identity, split)
        if asked not in (split, MOMENTS):
            raise InputError(
                f"{identity} is in {split} in {store}; the splits given now say {asked}: keep the split, or use "
                "another --out"
            )


def moments_cut(times: np.ndarray) -> int:
    """Say where a track is cut in two: its first 75 % of time is trained on, the rest validates.

    Args:
        times: (N,) times of its rows in seconds, ascending; frame numbers do as well.

    Returns:
        How many of the rows come before the cut, at least one.
    """
    limit = times[0] + MOMENTS_TRAIN * (times[-1] - times[0])
    return max(1, int(np.searchsorted(times, limit, side="right" if times[-1] == times[0] else "left")))
