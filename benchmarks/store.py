"""What a larger track store costs in training: time to the first draw, of random reads and of whole steps, and memory.

Stores of many sizes are made of the real crops of the one given, encoded anew at 96 px; each is then measured in a
process of its own.

Run: python benchmarks/store.py STORE [--rows 1000 10000 100000 1000000] [--side 96]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from measure import memory_mib
from reference import PlainTraining

from fabnet.faces.window import decode_jpeg
from fabnet.sampling.pairs import draw
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import create_store, open_store
from fabnet.training.config import preset
from fabnet.training.device import choose_device
from fabnet.training.trainer import Trainer

TRACK_FRAMES = 16
STEPS = 10


def grown(images: list[bytes], count: int) -> Iterator[pa.RecordBatch]:
    """Rows in tracks of 16 frames, of as many people; every tenth one is for validation."""
    rows = []
    for at, image in enumerate(islice(cycle(images), count)):
        track, frame = divmod(at, TRACK_FRAMES)
        split = "val" if track % 10 == 0 else "train"
        name = f"person-{track:07d}"
        rows.append(Row(name, name, "0", frame, frame / 25, f"{name}.mp4", split, image))
        if len(rows) == 1024:
            yield rows_to_batch(rows)
            rows = []
    if rows:
        yield rows_to_batch(rows)


def measure(path: Path) -> dict[str, float]:
    """Open a store as training does, and take steps: seconds, rows a second, MiB."""
    before_mib, began = memory_mib(), time.perf_counter()
    store = open_store(path)
    draw(*store.spans("train"), seed=0, step=0, batch_size=64)
    drawn = {"draw_s": time.perf_counter() - began, "draw_mib": memory_mib() - before_mib}
    began = time.perf_counter()
    trainer = Trainer(store, path.parent, preset("small"), device=choose_device("auto"))
    opened_s = time.perf_counter() - began
    plain = PlainTraining(trainer.config.size, trainer.config.batch_size)
    read, whole, reference = [], [], []
    for step in range(STEPS + 2):
        began = time.perf_counter()
        store.read_images(trainer.steps.draw(1000 + step).rows.reshape(-1))
        read.append(time.perf_counter() - began)
        began = time.perf_counter()
        trainer.step(trainer.steps[step])
        whole.append(time.perf_counter() - began)
        began = time.perf_counter()
        plain.step()
        reference.append(time.perf_counter() - began)
    median = {name: statistics.median(values[2:]) for name, values in
              {"read_s": read, "step_s": whole, "plain_s": reference}.items()}  # fmt: skip
    return {**drawn, "open_s": opened_s, **median, "mib": memory_mib()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--side", type=int, default=96, help="of the crops, in pixels")
    parser.add_argument("--measure", action="store_true", help="measure this very store, print JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.store)))
        return
    source = open_store(options.store)
    small = []
    for data in source.read_images(np.arange(min(source.num_rows, 2000))):
        image = cv2.resize(decode_jpeg(data), (options.side, options.side), interpolation=cv2.INTER_AREA)
        small.append(cv2.imencode(".jpg", image)[1].tobytes())
    print(
        "| rows | first draw, s | its MiB | trainer, s | read 128 rows, ms | step, ms | over the plain one | peak MiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for count in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tracks.lance"
            create_store(path, crop=source.crop).append(grown(small, count), [])
            command = [sys.executable, __file__, str(path), "--measure"]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        share = found["step_s"] / found["plain_s"]
        print(
            f"| {count:,} | {found['draw_s']:.2f} | {found['draw_mib']:.0f} | {found['open_s']:.2f} "
            f"| {1000 * found['read_s']:.1f} | {1000 * found['step_s']:.0f} "
            f"| {share:.2f} | {found['mib']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
