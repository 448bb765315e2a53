"""What a store of VoxCeleb+'s shape costs in training, rehearsed on made stores, and what the paper's three runs cost.

A made store of 10 million rows has 7,000 people and 1.1 million tracks, as VoxCeleb1 and 2 have at one frame a second;
smaller ones have the same shape. Its images have 16 px, so it takes 6 GB. Each store is measured in processes of its
own: opening it, drawing, reading, adding a video, validating, writing a checkpoint and resuming. Validation and steps
run with a network of 16 px, so that they show the cost of the store; checkpoints are those of the network of 256 px.

The costs of the three runs follow from the schedule, simulated to its end on a recorded curve
(experiments/paper_schedule.py), and from an assumed speed.

Run: python benchmarks/rehearsal.py --work DIR [--rows 100000 1000000 10000000] [--results docs/results/rehearsal.json]
     python benchmarks/rehearsal.py --costs --pairs-per-s 400
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from measure import memory_mib, timed

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from paper_schedule import VOXCELEB_TRACKS, simulate

from fabnet.faces.crop import CropSpec
from fabnet.sampling.pairs import draw, draw_fixed
from fabnet.store.schema import ROW_SCHEMA
from fabnet.store.split import split_of
from fabnet.store.track_store import create_store, open_store
from fabnet.training.config import preset
from fabnet.training.device import choose_device
from fabnet.training.trainer import Trainer

ROWS, PEOPLE, TRACKS, VIDEOS_A_PERSON = 10_000_000, 7_000, 1_100_000, 24
SIDE = 16
NUM_IMAGES = 256
NOISE = 250
"""Random bytes after each picture."""
BATCH_ROWS = 50_000
STEPS = 30
BYTES_A_ROW = 12_300
"""Size of a row with a crop of 256 px, see docs/scaling.md."""


def made(num_rows: int) -> Iterator[pa.RecordBatch]:
    """Rows of a made store; a video's tracks follow one another."""
    random = np.random.default_rng(0)
    pictures = np.repeat(random.integers(0, 256, (NUM_IMAGES, SIDE, 1, 3), dtype=np.uint8), SIDE, axis=2)
    images = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
    people = [f"id{number:05d}" for number in range(max(20, num_rows * PEOPLE // ROWS))]
    splits = pa.array([split_of(person) for person in people])
    num_tracks = num_rows * TRACKS // ROWS
    first = np.linspace(0, num_rows, num_tracks + 1).astype(np.int64)
    for start in range(0, num_rows, BATCH_ROWS):
        row = np.arange(start, min(start + BATCH_ROWS, num_rows))
        track = np.searchsorted(first, row, side="right") - 1
        person = track * len(people) // num_tracks
        video = track * VIDEOS_A_PERSON * len(people) // num_tracks
        names, back = np.unique(video, return_inverse=True)
        place, noise = pa.array(back), random.bytes(NOISE * len(row))
        videos = pa.array([f"{people[each // VIDEOS_A_PERSON]}/video{each:06d}" for each in names.tolist()])
        values = {
            "identity": pa.array(people).take(pa.array(person)),
            "video": videos.take(place),
            "track": pa.array([f"{each:07d}" for each in track.tolist()]),
            "frame": pa.array(row - first[track]),
            "source": videos.take(place),
            "split": splits.take(pa.array(person)),
            # A decoder ignores the bytes after the picture; without them, the store would hold each picture once.
            "image": pa.array(
                [images[each % NUM_IMAGES] + noise[NOISE * n : NOISE * (n + 1)] for n, each in enumerate(row.tolist())]
            ),
        }
        columns = [values.get(field.name, pa.nulls(len(row), field.type)) for field in ROW_SCHEMA]
        yield pa.RecordBatch.from_arrays(columns, schema=ROW_SCHEMA)


def opened(path: Path) -> dict[str, float]:
    """Open the store as a run does and draw the validation pairs; then draw and read steps of 32 pairs."""
    before = memory_mib()
    found = {}
    store = open_store(path)
    found["digest: s"] = timed(store.digest)
    began = time.perf_counter()
    train, val = store.spans("train"), store.spans("val")
    found["find the tracks: s"] = time.perf_counter() - began
    found["draw the validation pairs: s"] = timed(lambda: draw_fixed(*val, num_samples=8192))
    found["opening: MiB on top of the imports"] = memory_mib() - before
    draws, reads = [], []
    for step in range(STEPS):
        began = time.perf_counter()
        rows = draw(*train, seed=0, step=step, batch_size=32).rows
        draws.append(time.perf_counter() - began)
        reads.append(timed(lambda rows=rows: store.read_images(rows.reshape(-1))))  # type: ignore[misc]
    found["draw a step: ms"] = 1000 * statistics.median(draws)
    found["read a step's 64 rows: ms"] = 1000 * statistics.median(reads)
    return found


def validated(path: Path) -> dict[str, float]:
    """A round of validation on 8,192 pairs, with the images decoded and a network of 16 px."""
    config = preset("paper", curriculum=True).with_changes({"size": SIDE, "max_steps": STEPS, "num_workers": 0})
    began = time.perf_counter()
    trainer = Trainer(open_store(path), path.parent / "run", config, device=choose_device("cpu"))
    found = {"make the trainer: s": time.perf_counter() - began}
    found["validate 8,192 pairs at 16 px: s"] = timed(trainer.validate)
    found["a step at 16 px: ms"] = 1000 * statistics.median(
        timed(lambda step=step: trainer.step(trainer.steps[step]))  # type: ignore[misc]
        for step in range(STEPS)
    )
    found["training: MiB in all"] = memory_mib()
    return found


def resumed(path: Path) -> dict[str, float]:
    """Write a checkpoint of the network of 256 px and resume from it; the next step's draw must be the same."""
    run = path.parent / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    config = preset("paper", curriculum=True).with_changes({"num_workers": 0})
    trainer = Trainer(open_store(path), run, config, device=choose_device("cpu"))
    trainer.step(trainer.steps[0])  # gives the optimiser its momentum
    trainer.state.step = 100_000
    found = {"write a checkpoint: s": timed(trainer.save)}
    size = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    began = time.perf_counter()
    again = Trainer(open_store(path), run, config, device=choose_device("cpu"), resume=True)
    found["resume: s"] = time.perf_counter() - began
    step = again.state.step
    if not np.array_equal(trainer.steps.draw(step).rows, again.steps.draw(step).rows):
        raise SystemExit("the resumed run draws other pairs")
    return found | {"a checkpoint: MB": size / 1e6, "resuming: MiB in all": memory_mib()}


def added(path: Path) -> dict[str, float]:
    """Add two videos of 10 rows to the store; the first makes the process read the table of tracks."""
    store, rows = open_store(path), next(made(BATCH_ROWS)).slice(0, 10)
    found = {}
    for name in ("a first video", "another video"):
        column = pa.array([f"id99999/{name}"] * len(rows))
        one = rows.set_column(ROW_SCHEMA.get_field_index("video"), ROW_SCHEMA.field("video"), column)
        found[f"add {name}: s"] = timed(lambda one=one: store.append([one], []))  # type: ignore[misc]
    return found


MEASURES = {measure.__name__: measure for measure in (opened, validated, resumed, added)}


def measured(path: Path, num_rows: int) -> dict[str, float]:
    """Make a store and measure it."""
    shutil.rmtree(path, ignore_errors=True)
    spec = {**CropSpec().to_json(), "size": SIDE}
    found = {"rows": float(num_rows), "make the store: s": 0.0}
    found["make the store: s"] = timed(lambda: create_store(path, crop=spec).append(made(num_rows), []))
    found["the store: bytes a row"] = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / num_rows
    for name in MEASURES:
        command = [sys.executable, __file__, "--work", str(path.parent), "--measure", name]
        found |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def show(points: list[dict[str, float]]) -> None:
    """Print a table of all sizes, with the exponent of each value over the last two sizes."""
    print("| | " + " | ".join(f"{point['rows']:,.0f} rows" for point in points) + " | exponent |")
    print("|---" * (len(points) + 2) + "|")
    for name in list(points[0])[1:]:
        values = [point[name] for point in points]
        slope = ""
        if len(points) > 1 and min(values[-2:]) > 0:
            slope = f"{np.log(values[-1] / values[-2]) / np.log(points[-1]['rows'] / points[-2]['rows']):.2f}"
        print(f"| {name} | " + " | ".join(f"{value:,.3g}" for value in values) + f" | {slope} |")


def costs(pairs_per_s: float, seeds: int) -> None:
    """Print what each row of the paper's Table 1 costs at an assumed speed on one GPU."""
    print("| row | million targets | million pairs | rounds | hours on one GPU |")
    print("|---|---|---|---|---|")
    single, curriculum = preset("paper"), preset("paper", curriculum=True)
    three = curriculum.with_changes({"sources": 3, "curriculum_start": 4})
    learned = 0.0
    for name, config in (("single", single), ("curriculum", curriculum), ("three", three)):
        ends = [simulate(config, VOXCELEB_TRACKS, seed=seed, learned=learned) for seed in range(seeds)]
        targets = np.array([rows[-1].pairs for rows in ends]) / 1e6
        rounds = np.array([len(rows) for rows in ends])
        pairs = targets * config.sources
        # A round's forward passes are a third of the work of as many training pairs.
        hours = (1e6 * pairs + rounds * config.num_val_pairs * config.sources / 3) / pairs_per_s / 3600
        cells = [span(each) for each in (targets, pairs, rounds, hours)]
        print(f"| {name} | " + " | ".join(cells) + " |")
        if name == "curriculum":
            learned = float(np.median(targets)) * 1e6 / 2
    print(f"store: {ROWS * BYTES_A_ROW / 1e9:.0f} GB at {ROWS:,} rows of 256 px")


def span(values: np.ndarray) -> str:
    """The least and the most."""
    return f"{values.min():.3g} to {values.max():.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--measure", choices=list(MEASURES), help="measure the store in --work, print JSON")
    parser.add_argument("--costs", action="store_true", help="print the costs of the three runs instead")
    parser.add_argument("--pairs-per-s", type=float, default=400, help="assumed speed of one GPU at 256 px")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    if options.costs:
        costs(options.pairs_per_s, options.seeds)
        return
    path = options.work / "tracks.lance"
    if options.measure:
        print(json.dumps(MEASURES[options.measure](path)))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    points = []
    for num_rows in options.rows:
        points.append(measured(path, num_rows))
        print(json.dumps(points[-1]), flush=True)
        if options.results is not None:
            options.results.write_text(json.dumps(points, indent=1) + "\n")
    show(points)


if __name__ == "__main__":
    main()
