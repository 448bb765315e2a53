"""Streams the faces of photos, videos, folders and track stores as items to embed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2
import numpy as np

from fabnet.errors import FabnetError, InputError, RewrittenError, first_line
from fabnet.faces.crop import CropSpec
from fabnet.faces.detect.detection import Detector
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.find import Face, crop_faces
from fabnet.faces.num_pictures import num_pictures
from fabnet.faces.picture import decode_picture
from fabnet.faces.window import decode_jpeg
from fabnet.files.folder import FolderScan, LeftOut, left_out_lines, natural, shown_name, wrong_name
from fabnet.files.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Kind, kind_by_content, kind_by_suffix, read_head
from fabnet.files.limits import read_bytes, what_is
from fabnet.files.media import check_name
from fabnet.files.places import is_remote, is_same_file
from fabnet.reading.options import EmbedOptions

if TYPE_CHECKING:
    from fabnet.store.chosen import Chosen, ChosenRows
    from fabnet.store.track_store import TrackStore
    from fabnet.video.track_video import TrackedFace

__all__ = [
    "NO_FACE",
    "Failure",
    "Input",
    "Inputs",
    "Item",
    "Remark",
    "decoded",
    "list_inputs",
    "num_rows",
    "picture",
    "read_items",
    "store_rows",
]

LARGEST_AFTER_S = 5.0
ROWS_AT_ONCE = 512
NO_FACE = "no face found"
"""Reason of a row without a face."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A row to embed."""

    row: dict[str, Any]
    """Columns of the row without the embedding and the columns predicted from it."""
    image: np.ndarray | bytes | None
    """Crop to embed, (H, W, 3) uint8 RGB, or a file's bytes for `decoded`; None without a face."""
    crop_box_px: np.ndarray | None
    """(4,) x0, y0, x1, y1 of the crop in the picture or frame; None without a face, or if the crop is a whole file."""


class Failure(NamedTuple):
    """An input that could not be read, and why."""

    name: str
    reason: str


class Remark(NamedTuple):
    """What a reader of a video should know: which of several streams was read, or where its clock jumps."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Input:
    """A file or store to embed, with the name for the columns `video` and `source` of its rows."""

    path: Path
    name: str
    kind: Literal["image", "video", "store"]
    rows: tuple[int, int] | None = None
    """First row of a store and the row after the last, among the chosen ones; None: all rows."""
    generation: str | None = None
    """Generation of the store, which numbers these rows."""
    chosen: Chosen | None = None
    """Which rows of a store are embedded; None: all."""


class Inputs(NamedTuple):
    """The inputs of a command, and the files that are left out."""

    found: tuple[Input, ...]
    """Inputs to embed."""
    failed: tuple[Failure, ...]
    """Files named like photos or videos that cannot be read."""
    left_out: tuple[LeftOut, ...]
    """All other files in the given folders, and the pictures of a file after its first one."""


def list_inputs(paths: Sequence[Path]) -> Inputs:
    """Find photos, videos and stores, without duplicates, and list the files that cannot be read.

    Raises:
        InputError: no path is given, a path does not exist or is a folder without inputs; the only path is something
            else; two given files have the same name; or a store has a video of the name of another input or its video.
    """
    if not paths:
        raise InputError("no input given: name photos, videos, folders of them, or a track store")
    found: dict[tuple[str, str], Input] = {}
    failed: list[Failure] = []
    left_out: list[LeftOut] = []
    for path in paths:
        inside = _inputs(path, is_only=len(paths) == 1)
        failed += inside.failed
        left_out += inside.left_out
        for each in inside.found:  # a store's name is not compared, because its rows have their own names
            other = found.setdefault(("store", str(each.path)) if each.kind == "store" else ("file", each.name), each)
            if other is each or each.kind == "store" or is_same_file(other.path, each.path):
                continue
            advice = "give the folder that contains both, so that their names differ"
            if each.path == path:
                raise InputError(f"two inputs have the name {each.name}: {other.path} and {each.path}; {advice}")
            reason = f"another input has the same name: {other.path} and {each.path}; {advice}"
            failed.append(Failure(each.name, reason))
    _check_videos(list(found.values()))
    for each in found.values():
        if each.kind == "image" and (count := num_pictures(each.path)) > 1:
            left_out.append(LeftOut(each.name, f"pictures after the first one of a file: {count - 1}", count - 1))
    return Inputs(tuple(found.values()), tuple(failed), tuple(left_out))


def _check_videos(found: Sequence[Input]) -> None:
    """Refuse inputs of which rows could not be told apart: a store's have the names of its videos."""
    stores = [each for each in found if each.kind == "store"]
    if not stores or len(found) == 1:
        return
    from fabnet.store.track_store import open_store

    paths = {each.name: each.path for each in found if each.kind != "store"}
    for each in stores:
        try:
            videos = np.unique(open_store(each.path).index(min_frames=1).video).tolist()
        except FabnetError:  # reported when it is read
            continue
        for video in videos:
            if (other := paths.setdefault(video, each.path)) != each.path:
                raise InputError(
                    f"{other} and the store {each.path} both have {video}, so their rows could not be told apart: give "
                    "one of them, or each an --out of its own"
                )


def _inputs(path: Path, *, is_only: bool) -> Inputs:
    """The inputs at a given path; among several, a file that is not an input is listed."""
    if _is_store(path):
        return Inputs((Input(path, path.name, "store"),), (), ())
    if is_remote(path):
        raise InputError(f"{path} is not a track store; photos and videos must be on this machine")
    if (path / "_versions").is_dir():
        raise InputError(f"{path} is a dataset, but not a track store; expected photos, videos or a track store")
    if path.is_dir():
        return _below(path)
    if not path.exists():
        raise InputError(f"no such file or folder: {shown_name(path)}")
    if not is_only and (reason := wrong_name(path)) is not None:
        return Inputs((), (Failure(shown_name(path.name), reason),), ())
    check_name(path)
    special = what_is(path.stat().st_mode)
    if special is not None:
        return Inputs((), (Failure(path.name, f"{path} is {special}; expected a photo or a video"),), ())
    kind = _kind(path)
    if kind is None and not is_only:
        return Inputs((), (Failure(path.name, "neither a photo nor a video by its name and content"),), ())
    if kind is None:
        known = " ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
        raise InputError(f"{path} is neither a photo nor a video by its name and content; expected one of {known}")
    return Inputs((Input(path, path.name, kind),), (), ())


def _is_store(path: Path) -> bool:
    """Whether a path is a track store; Lance, which is slow to import, is imported only for a Lance dataset."""
    if not (path / "_versions").exists():
        return False
    from fabnet.store.track_store import is_store

    return is_store(path)


def _below(folder: Path) -> Inputs:
    scanned, found = FolderScan(folder), []
    for entry in scanned.walk():
        kind = scanned.kind(entry)
        if kind is not None:
            found.append(Input(entry.path, entry.name, kind))
    left_out, failed = scanned.left_out("image", "video"), scanned.failed("image", "video")
    if not found and not failed:
        there = f": {'; '.join(left_out_lines(left_out))}" if left_out else ""
        raise InputError(f"{folder} contains no photo, video or store{there}")
    found.sort(key=lambda each: natural(each.name))
    return Inputs(tuple(found), tuple(Failure(each.file, each.reason) for each in failed), tuple(left_out))


def _kind(path: Path) -> Kind | None:
    """The kind of a given file, by its content or otherwise by its suffix."""
    try:
        return kind_by_content(path, read_head(path)) or kind_by_suffix(path)
    except OSError:
        return kind_by_suffix(path)


def read_items(inputs: Sequence[Input], options: EmbedOptions, *, spec: CropSpec) -> Iterator[Item | Failure | Remark]:
    """Read the faces of inputs, one after another; memory does not grow with the length of a video or store.

    Pictures that are already crops are yielded as bytes, for `decoded`.

    Args:
        inputs: from `list_inputs`.
        options: which frames and faces to read, and how to find faces.
        spec: how faces are cut out.
    """
    kinds = {each.kind for each in inputs} if options.crop == "detect" else set()
    find: dict[str, Detector] = {}
    if "image" in kinds:
        find["image"] = load_photo_detector(
            options.detector,
            min_face_px=options.min_face,
            only_largest=options.faces == "largest",
            device=options.device,
        )
    if "video" in kinds:
        find["video"] = load_detector(options.detector, min_face_px=options.min_face, device=options.device)
    for each in inputs:
        try:
            if each.kind == "store":
                yield from _of_store(each)
            elif each.kind == "image":
                yield from _of_image(each, find.get("image"), options.faces, spec)
            elif "video" not in find:
                yield from _of_crops(each, options.rate)
            else:
                yield from _of_video(each, find["video"], options.faces, options.rate, spec)
        except FabnetError as error:
            yield Failure(each.name, str(error))
        except OSError as error:
            yield Failure(each.name, f"cannot be read ({error.strerror or first_line(error)})")


def _row(each: Input, **values: Any) -> dict[str, Any]:
    empty = {"track": "0", "frame": 0, "time_s": None, "box_px": None, "score": None, "reason": ""}
    return {"identity": each.name, "video": each.name, "source": each.name} | empty | values


def store_rows(each: Input) -> Iterator[dict[str, Any]]:
    """The rows of a store, in order; memory does not grow with it.

    Raises:
        StoreError: the store cannot be read.
        RewrittenError: its rows are numbered anew since the input was listed.
    """
    from fabnet.store.track_store import open_store

    columns = ("identity", "video", "track", "frame", "time_s", "source", "box_px", "score", "crop_box_px", "image")
    store = open_store(each.path)
    if each.generation not in (None, store.generation):
        raise RewrittenError(f"the store {each.path} was rewritten meanwhile: run the command again")
    chosen = _chosen(each, store)
    start, stop = each.rows or (0, store.num_rows if chosen is None else len(chosen))
    for first in range(start, stop, ROWS_AT_ONCE):  # not a scan, whose memory grows with the store
        last = min(first + ROWS_AT_ONCE, stop)
        rows = range(first, last) if chosen is None else chosen.between(first, last)
        yield from store.read_rows(rows, columns).to_pylist()


def num_rows(each: Input, store: TrackStore) -> int:
    """The number of a store's rows that are embedded.

    Raises:
        InputError: the store has no rows in the chosen split.
    """
    chosen = _chosen(each, store)
    return store.num_rows if chosen is None else len(chosen)


def _chosen(each: Input, store: TrackStore) -> ChosenRows | None:
    from fabnet.store.chosen import ChosenRows

    return None if each.chosen is None else ChosenRows(store, each.chosen)


def _of_store(each: Input) -> Iterator[Item]:
    for row in store_rows(each):
        data, box = row.pop("image"), row.pop("crop_box_px")
        yield Item(_row(each, **row), data, None if box is None else np.array(box, np.float32))


def decoded(item: Item, *, min_side: float = 0.0) -> Item | Failure:
    """Decode an item's picture, if it is bytes; may be called from several threads.

    Args:
        item: from `read_items`.
        min_side: lower bound on the shorter side, in pixels, for decoding a store's crop at 1/2, 1/4 or 1/8 of its
            size, which is cheaper for a JPEG, as in training.
    """
    if not isinstance(item.image, bytes):
        return item
    try:
        if item.crop_box_px is not None:
            image = decode_jpeg(item.image, min_side=min_side)
            return replace(item, image=cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        image = picture(item.image, item.row["source"])
        return replace(item, image=image, crop_box_px=_whole(image))
    except FabnetError as error:
        return Failure(item.row["source"], str(error))


def picture(data: bytes, name: str) -> np.ndarray:
    """Decode a file to (H, W, 3) uint8 RGB."""
    try:
        return decode_picture(data)
    except InputError as error:
        raise InputError(f"{name} is not a usable picture: {error}") from None


def _of_image(each: Input, find: Detector | None, faces: str, spec: CropSpec) -> Iterator[Item]:
    data = read_bytes(each.path)
    if find is None:
        yield Item(_row(each), data, None)
        return
    image = picture(data, each.name)
    found: list[Face] = crop_faces(image, detector=find, spec=spec)
    if not found:
        yield Item(_row(each, reason=NO_FACE), None, None)
    for number, face in enumerate(found if faces == "all" else found[:1]):
        yield Item(_row(each, track=str(number), box_px=face.box_px, score=face.score), face.image, face.crop_box_px)


def _of_crops(each: Input, fps: float | None) -> Iterator[Item]:
    from fabnet.video.decode import read_frames

    for frame in read_frames(each.path, fps=fps):
        yield Item(_row(each, frame=frame.index, time_s=frame.time_s), frame.image, _whole(frame.image))


def _whole(image: np.ndarray) -> np.ndarray:
    return np.array([0, 0, image.shape[1], image.shape[0]], dtype=np.float32)


def _of_video(
    each: Input, find: Detector, faces: str, fps: float | None, spec: CropSpec
) -> Iterator[Item | Failure | Remark]:
    """Yield at least one item per kept frame, in order of time: its faces, or the reason why there is none.

    Remarks follow, and a failure if a part of the video cannot be decoded.
    """
    from fabnet.video.track_video import VideoStats, track_video

    kept: dict[int, tuple[float, list[TrackedFace]]] = {}
    stats = VideoStats()

    def rows_until(time_s: float) -> Iterator[Item]:
        for index in sorted(index for index, (at_s, _) in kept.items() if at_s < time_s):
            at_s, found = kept.pop(index)
            if not found:
                yield Item(_row(each, frame=index, time_s=at_s, reason=NO_FACE), None, None)
            chosen = found if faces == "all" else sorted(found, key=_area)[-1:]
            for face in chosen:
                values = {"track": str(face.track), "box_px": face.box_px, "score": face.score}
                yield Item(_row(each, frame=index, time_s=at_s, **values), face.image, face.crop_box_px)

    def keep(index: int, time_s: float) -> None:
        kept[index] = (time_s, [])

    for face in track_video(each.path, find, spec=spec, fps=fps, stats=stats, on_kept=keep):
        kept[face.frame][1].append(face)
        # All faces of a frame arrive within the smoothing's look-ahead plus the longest gap that is bridged.
        yield from rows_until(face.time_s - LARGEST_AFTER_S)
    yield from rows_until(float("inf"))
    yield from (Remark(each.name, note) for note in stats.notes)
    if stats.warning is not None:
        yield Failure(each.name, stats.warning)


def _area(face: TrackedFace) -> float:
    x0, y0, x1, y1 = face.box_px.tolist()
    return float((x1 - x0) * (y1 - y0))
