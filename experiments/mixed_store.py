"""A store with more faces to train on than videos have: tracks of stores, and stills of benchmarks as short tracks.

A still is stored as two identical frames, which only augmentation makes different. Of a benchmark only faces that
probes may be fitted on are used, none of its validation or test part, and of MTFL no LFW still of a person in another
part of the first store. Training draws tracks uniformly, so a store's tracks are repeated, in whole rounds, until it
has its share; validation tracks are those of the first store, once.

Run: python experiments/mixed_store.py --store faces.lance=0.5 --store clips.lance=0.05 --stills mtfl=0.3 \
--stills ferplus=0.15 --data DATA --tracks 20000 --out mixed.lance
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from baselines import FOLDERS

from fabnet.faces.window import Window
from fabnet.files.places import cache_folder
from fabnet.probes.cache import Cache
from fabnet.probes.faces import crop_of, find_faces, read_image
from fabnet.probes.parts import parts_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import TrackStore, create_store, open_store
from fabnet.training.config import preset

ROWS_AT_ONCE = 512
Track = list[Row]


def tracks_of(store: TrackStore, split: str) -> list[Track]:
    """The tracks in a split of a store, all in memory."""
    found = []
    for start, length in zip(*store.spans(split), strict=True):
        rows = range(int(start), int(start) + int(length))
        columns = store.read_rows(rows, ["identity", "video", "track", "frame", "time_s", "source"]).to_pylist()
        images = store.read_images(rows)
        found.append([Row(**own, split=split, image=image) for own, image in zip(columns, images, strict=True)])
    return found


def stills_of(protocol: str, data: Path, cache: Cache, size: int, quality: int, known: set[str]) -> list[Track]:
    """A track per still that a probe may be fitted on: the protocol's crop, twice."""
    benchmark = read_benchmark(protocol, data / FOLDERS[protocol])
    crops = find_faces(benchmark, cache=cache)
    config = preset("small")
    boxes = crops.crop_px(Window(side=config.window_side))
    (parts,) = parts_of(benchmark, "val")
    found = []
    for i in np.sort(np.concatenate([parts.fit, parts.select])):
        name = benchmark.names[i]
        if Path(name).stem[:-5] in known:  # NAME_0001
            continue
        crop = crop_of(read_image(benchmark.images[i]), boxes[i], size)
        image = cv2.imencode(".jpg", crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        found.append(
            [
                Row(f"{protocol}/{name}", f"{protocol}/{name}", "0", frame, None, name, "train", image)
                for frame in (0, 1)
            ]
        )
    return found


def repeated(tracks: list[Track], count: int, source: str) -> Iterator[Track]:
    """`count` tracks, repeated evenly (counts differ by at most one), under unique names."""
    for place, track in enumerate(islice(cycle(tracks), count)):
        turn = place // len(tracks)
        yield [
            replace(row, video=f"{source}-{turn}/{row.video}", source=f"{source}-{turn}/{row.source}") for row in track
        ]


def batches(tracks: Iterator[Track]) -> Iterator[pa.RecordBatch]:
    rows: Track = []
    for track in tracks:
        rows += track
        if len(rows) >= ROWS_AT_ONCE:
            yield rows_to_batch(rows)
            rows = []
    if rows:
        yield rows_to_batch(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="append", required=True, metavar="STORE=SHARE")
    parser.add_argument("--stills", action="append", default=[], metavar="PROTOCOL=SHARE")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    first = open_store(options.store[0].split("=")[0])
    others = first.read_rows(range(first.num_rows), ["identity", "split"])
    people = {row["identity"] for row in others.to_pylist() if row["split"] != "train"}
    cache = Cache(options.cache or cache_folder())

    def everything() -> Iterator[Track]:
        yield from tracks_of(first, "val")
        for named in options.store:
            path, share = named.split("=")
            yield from repeated(
                tracks_of(open_store(path), "train"), round(float(share) * options.tracks), Path(path).stem
            )
        for named in options.stills:
            protocol, share = named.split("=")
            own = stills_of(protocol, options.data, cache, first.crop["size"], first.crop["jpeg_quality"], people)
            print(f"{protocol}: {len(own)} stills")
            yield from repeated(own, round(float(share) * options.tracks), protocol)

    create_store(options.out, crop=first.crop).append(batches(everything()), [])
    made = open_store(options.out)
    print(f"{options.out}: {made.num_rows} rows, {len(made.spans('train')[0])} tracks to train on")


if __name__ == "__main__":
    main()
