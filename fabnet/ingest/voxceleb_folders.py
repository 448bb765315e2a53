"""VoxCeleb1 and 2 as they unpack: which file belongs to which speaker, video and track, under one set of names.

Layout, below any folders called dev, test, mp4, txt, unzippedFaces, vox1, vox2_test_mp4 and the like:

    ID/VIDEO/TRACK.mp4              VoxCeleb2's crops
    ID/VIDEO/TRACK/frame.jpg        their frames
    NAME/1.6/VIDEO/frame.jpg        VoxCeleb1's unzippedFaces, one track per video
    ID/VIDEO/TRACK.txt              text files with the boxes of faces (`fabnet.ingest.voxceleb`)

Speakers are known by their ids (VoxCeleb1: id10001 to id11251; VoxCeleb2: the others). No speaker of VoxCeleb2's
training set is in VoxCeleb1. Published test speakers: VoxCeleb1's 40 whose names begin with E, id10270 to id10309;
VoxCeleb2's are those below a folder `test`.

Uncertain: that the pictures of unzippedFaces show 1.6 times the face's box around its middle, as their folder's name
and Nagrani et al. (Seeing voices and hearing faces, CVPR 2018) say, and that this box is like VoxCeleb2's: the two
releases used different detectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fabnet.errors import InputError
from fabnet.files.csv_file import csv_rows
from fabnet.files.folder import Entry, FolderScan
from fabnet.files.kinds import kind_by_suffix
from fabnet.files.places import as_place, fetched
from fabnet.ingest.layouts import TrackFiles, VideoFolder

__all__ = ["UNZIPPED_MARGIN", "is_published_test", "read_speakers", "scan_voxceleb"]

RELEASE = re.compile(r"dev|test|mp4|txt|unzippedfaces|vox(celeb)?[12](_dev|_test)?(_mp4|_txt)?", re.IGNORECASE)
SOUND = ("wav", "aac", "m4a")
ID = re.compile(r"id\d{5}")
TEST_IDS = ("id10270", "id10309")
UNZIPPED_MARGIN = 1.6
"""Side of a picture of unzippedFaces, in sides of the face's box in its middle."""
TOO_HIGH = "not where the layout has files: too few folders deep"
RANKS = ("video", "image", "text")
"""What a video's faces come from if the folders have several of these."""


class _Speaker(NamedTuple):
    folder: Entry
    is_test: bool


def is_published_test(found: VideoFolder) -> bool:
    """Whether the speaker is one of the published test speakers of VoxCeleb1 or 2."""
    return found.is_test or TEST_IDS[0] <= found.identity <= TEST_IDS[1]


def read_speakers(file: Path) -> dict[str, str]:
    """Read the ids of VoxCeleb1's speakers by name from `vox1_meta.csv`: tab-separated, the id, the name, and more.

    Raises:
        InputError: the file is missing or has another form.
    """
    path = fetched(as_place(file))
    if not path.is_file():
        raise InputError(f"no such file of speakers: {file} (--speakers)")
    ids: dict[str, str] = {}
    rows = ((number, row) for number, row in csv_rows(path) if row)
    next(rows, None)  # the header
    for number, row in rows:
        cells = [cell.strip() for cell in row]
        if len(cells) < 2 or not ID.fullmatch(cells[0]):
            raise InputError(f"{file}, line {number}: expected an id like id10001 and a name; found {' '.join(row)!r}")
        ids[_plain(cells[1])] = cells[0]
    if not ids:
        raise InputError(f"{file} has no speakers; expected vox1_meta.csv: an id and a name per line, under a header")
    return ids


def _plain(name: str) -> str:
    return name.rstrip(".")  # the list's names may end with a dot, which the folders' lack


def scan_voxceleb(folder: Path, speakers: Path | None, *, has_originals: bool) -> tuple[list[VideoFolder], FolderScan]:
    """Find the videos and tracks of VoxCeleb1, VoxCeleb2, or both.

    Args:
        folder: the folder that holds the releases, or one of them, or the speakers' folders.
        speakers: VoxCeleb1's `vox1_meta.csv`; None: no speaker's folder has a name.
        has_originals: whether the videos that text files refer to are given.

    Returns:
        The videos in natural order of their folders, under the speakers' ids, and the scan of the folder.

    Raises:
        InputError: the folder or the list is missing, a speaker is not known by id, or nothing fits the layout.
    """
    if not folder.is_dir():
        raise InputError(
            f"cannot import {folder}: expected VoxCeleb's folders; found {'a file' if folder.exists() else 'nothing'}"
        )
    ids, scanned = {} if speakers is None else read_speakers(speakers), FolderScan(folder)
    found: dict[str, tuple[int, VideoFolder]] = {}
    for speaker in _speakers(scanned, folder, is_test=_is_of_test(folder), above=frozenset()):
        identity = _identity(scanned, speaker.folder, ids, is_list_given=speakers is not None)
        if identity is None:
            continue
        for video, is_unzipped in _videos(scanned, speaker.folder):
            rank, made = _tracks(scanned, identity, video, speaker.is_test, is_unzipped, has_originals)
            if not made.tracks:
                continue
            other = found.get(made.video)
            if other is None or rank < other[0]:
                found[made.video] = (rank, made)
            if other is not None:
                kept = found[made.video][1]
                left = made if kept is not made else other[1]
                scanned.leave_out(left.folder, f"the same video of the same speaker: read from {kept.folder}")
    if not found:
        raise InputError(
            f"nothing to import in {folder} with the layout voxceleb: expected ID/VIDEO/TRACK.mp4, NAME/1.6/VIDEO/ "
            "frames, or ID/VIDEO/TRACK.txt with --videos, below dev, test, mp4, unzippedFaces or txt"
        )
    return [made for _, made in found.values()], scanned


def _is_of_test(folder: Path) -> bool:
    """Whether a release's folder, or one above it, is a test part: the folder given may be vox2/test/mp4."""
    for part in reversed(folder.resolve().parts):
        if not RELEASE.fullmatch(part):
            return False
        if "test" in part.lower().split("_"):
            return True
    return False


def _speakers(
    scanned: FolderScan, folder: Path, *, is_test: bool, above: frozenset[tuple[int, int]]
) -> Iterator[_Speaker]:
    folders, files = scanned.entries(folder)
    for file in files:
        scanned.leave_out(file.name, TOO_HIGH)
    for entry in folders:
        name = entry.path.name
        if RELEASE.fullmatch(name) and entry.inode not in above:
            is_of_test = is_test or "test" in name.lower().split("_")
            yield from _speakers(scanned, entry.path, is_test=is_of_test, above=above | {entry.inode})
        elif RELEASE.fullmatch(name):
            scanned.leave_out(entry.name, "symlink to a folder above it")
        elif name in SOUND:
            scanned.leave_out(entry.name, "folder: sound")
        else:
            yield _Speaker(entry, is_test)


def _identity(scanned: FolderScan, folder: Entry, ids: Mapping[str, str], *, is_list_given: bool) -> str | None:
    """The id of a speaker; None: it is none."""
    name = folder.path.name
    if ID.fullmatch(name):
        return name
    if not is_list_given:
        raise InputError(
            f"{folder.path}: expected a speaker's id, like id10001: for folders of names, give --speakers vox1_meta.csv"
        )
    if _plain(name) not in ids:
        scanned.leave_out(folder.name, "folder: neither an id nor a name in the list of speakers")
        return None
    return ids[_plain(name)]


def _videos(scanned: FolderScan, speaker: Entry) -> Iterator[tuple[Entry, bool]]:
    """The folders of a speaker's videos, and whether they are unzippedFaces'."""
    folders, files = scanned.entries(speaker.path)
    for file in files:
        scanned.leave_out(file.name, TOO_HIGH)
    for entry in folders:
        if entry.path.name != str(UNZIPPED_MARGIN):
            yield entry, False
            continue
        deeper, others = scanned.entries(entry.path)
        for file in others:
            scanned.leave_out(file.name, TOO_HIGH)
        for video in deeper:
            yield video, True


def _tracks(
    scanned: FolderScan, identity: str, video: Entry, is_test: bool, is_unzipped: bool, has_originals: bool
) -> tuple[int, VideoFolder]:
    """The tracks of one video's folder, of the best kind that it has, and the kind's place in `RANKS`."""
    folders, files = scanned.entries(video.path)
    groups: dict[str, list[tuple[str, Sequence[Entry]]]] = {name: [] for name in RANKS}
    pictures = list[Entry]()
    for file in files:
        kind = "text" if file.path.suffix.lower() == ".txt" else kind_by_suffix(file.name)
        if kind == "image":
            pictures.append(file)
        elif kind is None or (kind == "text" and not has_originals):
            reason = "text file: --videos DIR with the originals is not given" if kind else "neither video nor picture"
            scanned.leave_out(file.name, reason)
        else:
            groups[kind].append((file.path.stem, [file]))
    if pictures:
        groups["image"].append(("0", pictures))
    for track in folders:
        deeper, frames = scanned.entries(track.path)
        chosen = [frame for frame in frames if kind_by_suffix(frame.name) == "image"]
        for entry in (*deeper, *(frame for frame in frames if frame not in chosen)):
            scanned.leave_out(entry.name, "not a picture: the layout has frames here")
        if chosen:
            groups["image"].append((track.path.name, chosen))
    rank = next((place for place, name in enumerate(RANKS) if groups[name]), 0)
    for name in RANKS[rank + 1 :]:
        for _, entries in groups[name]:
            scanned.leave_out(entries[0].name, f"the same video of {identity}: another file beside it has its faces")
    tracks = groups[RANKS[rank]]
    every = [entry.status for _, entries in tracks for entry in entries]
    made = VideoFolder(
        identity,
        f"{identity}/{video.path.name}",
        tuple(TrackFiles(name, tuple(entry.name for entry in entries)) for name, entries in tracks),
        sum(status.st_size for status in every),
        max((status.st_mtime for status in every), default=0.0),
        folder=video.name,
        is_test=is_test,
    )
    return rank, replace(made, margin=UNZIPPED_MARGIN) if is_unzipped else made
