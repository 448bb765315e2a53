"""What each verb costs as its data grows: seconds and peak memory, the fitted exponents, and what 10^8 rows would take.

Every measurement is repeated; medians count, and the least and the most are kept beside them.

Stores are the real crops of the one given, encoded anew at 96 px and repeated under new identities
(benchmarks/store.py); searched datasets are real embeddings under augmentations (benchmarks/search.py); videos are
copies of real clips. Each measurement runs in a process of its own.

Run: python benchmarks/scaling.py STORE --clips FOLDER --work DIR --results docs/results/scaling.json \
--figure docs/figures/scaling.png
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import search
import store as stores
from measure import memory_mib

import fabnet
from fabnet.encoders.load_encoder import load
from fabnet.faces.window import decode_jpeg
from fabnet.retrieval.gallery import Gallery
from fabnet.store.track_store import create_store, open_store

SIDE = 96
CORPUS_ROWS = 10**8
INDEX_FROM = 100_000
QUERIES = 20

Point = dict[str, Any]
"""what, rows, seconds (of the whole, or of one step or query), peak_mib, and bytes_a_row where something is written.

Of repeated measurements: the median of the seconds, `range_s` (the least and the most), the most memory.
"""


def train_cost(path: Path) -> list[Point]:
    """Start-up, to the trainer that stands ready, and a step with its reading."""
    found = stores.measure(path)
    peak = memory_mib()
    return [
        {"what": "train: start", "seconds": found["draw_s"] + found["open_s"], "peak_mib": peak},
        {"what": "train: a step", "seconds": found["step_s"], "peak_mib": peak},
    ]


def embed_cost(path: Path, out: Path) -> list[Point]:
    """All rows of a store, the model loaded before."""
    shutil.rmtree(out, ignore_errors=True)
    encoder = load("small")
    began = time.perf_counter()
    fabnet.embed([path], out=out, model=encoder)
    return [{"what": "embed", "seconds": time.perf_counter() - began, "peak_mib": memory_mib()}]


def track_cost(videos: list[Path], out: Path) -> list[Point]:
    """Every frame of the videos on all cores; the memory is this process's, not its workers'."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    fabnet.track(videos, out, fps=None)
    seconds = time.perf_counter() - began
    return [{"what": "track", "rows": open_store(out).num_rows, "seconds": seconds, "peak_mib": memory_mib()}]


def query_cost(path: Path, queries: search.Queries, use_index: bool) -> list[Point]:
    """The median of queries one after another."""
    answers = search.ask_gallery(path, queries, use_index, False)
    name = "search: a query by the index" if use_index else "search: an exact query"
    return [{"what": name, "seconds": float(np.median(answers.seconds)), "peak_mib": answers.peak_mib}]


def index_cost(path: Path) -> list[Point]:
    began = time.perf_counter()
    Gallery(path).build_index()
    return [{"what": "search: building the index", "seconds": time.perf_counter() - began, "peak_mib": memory_mib()}]


def repeated(times: int, measure: Callable[..., list[Point]], *arguments: object) -> list[Point]:
    """What a measurement gives, each time in a process of its own."""
    found = [search.apart(measure, *arguments) for _ in range(times)]
    points = []
    for same in zip(*found, strict=True):
        seconds = [point["seconds"] for point in same]
        points.append(
            same[0]
            | {"seconds": float(np.median(seconds)), "range_s": [min(seconds), max(seconds)]}
            | {"peak_mib": max(point["peak_mib"] for point in same)}
        )
    return points


def size_of(path: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def exponent(points: list[Point]) -> float:
    """The slope of log seconds over log rows."""
    logs = np.log([[point["rows"], point["seconds"]] for point in points])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def by_what(points: list[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point["what"], []).append(point)
    return found


def measured(options: argparse.Namespace) -> list[Point]:
    points: list[Point] = []

    def keep(rows: int, found: list[Point], **more: Any) -> None:
        for point in found:
            points.append({"rows": rows, **point, **more})
            print(json.dumps(points[-1]), flush=True)

    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    clips = sorted(options.clips.glob("*.mp4"))
    for count in options.videos:
        folder = work / "videos"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        videos = [folder / f"{place:06d}.mp4" for place in range(count)]
        for video, clip in zip(videos, cycle(clips), strict=False):
            shutil.copyfile(clip, video)
        out = work / "tracked.lance"
        found = repeated(options.repeats, track_cost, videos, out)
        keep(found[0]["rows"], found, bytes_a_row=size_of(out) / found[0]["rows"])
    source = open_store(options.store)
    small = []
    for data in source.read_images(np.arange(min(source.num_rows, 2000))):
        image = cv2.resize(decode_jpeg(data), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        small.append(cv2.imencode(".jpg", image)[1].tobytes())
    real, identities = search.real_embeddings(options.store, work)
    chosen = np.random.default_rng(3).integers(0, len(real), QUERIES)
    queries = search.Queries(real[chosen, 0], identities[chosen])
    for rows in options.rows:
        path, out, gallery = work / "tracks.lance", work / "embedded.lance", work / "gallery.lance"
        shutil.rmtree(path, ignore_errors=True)
        create_store(path, crop=source.crop).append(stores.grown(small, rows), [])
        keep(rows, repeated(options.repeats, train_cost, path), bytes_a_row=size_of(path) / rows)
        if rows <= options.embed_up_to:
            found = repeated(options.repeats, embed_cost, path, out)
            keep(rows, found, bytes_a_row=size_of(out) / rows)
        search.write_gallery(real, identities, rows, gallery)
        keep(rows, repeated(options.repeats, query_cost, gallery, queries, False))
        if rows >= INDEX_FROM:
            keep(rows, repeated(options.repeats, index_cost, gallery))
            keep(rows, repeated(options.repeats, query_cost, gallery, queries, True))
    return points


def show(points: list[Point], file: Path | None) -> None:
    """Print the exponents and what 10^8 rows would take; draw seconds and memory over rows."""
    print(f"| what | rows | seconds | peak MiB | exponent | at {CORPUS_ROWS:,} rows, by the exponent |")
    print("|---" * 6 + "|")
    for what, own in by_what(points).items():
        slope = exponent(own) if len(own) > 1 else float("nan")
        last = own[-1]
        expected = last["seconds"] * (CORPUS_ROWS / last["rows"]) ** slope
        cells = [
            ", ".join(f"{point['rows']:,}" for point in own),
            ", ".join("{:.3g} [{:.3g}, {:.3g}]".format(point["seconds"], *point["range_s"]) for point in own),
            ", ".join(f"{point['peak_mib']:,.0f}" for point in own),
        ]
        print(f"| {what} | {' | '.join(cells)} | {slope:.2f} | {expected:,.3g} s ({expected / 3600:,.2g} h) |")
    if file is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    time_axis, memory_axis = figure.subplots(1, 2)
    for what, own in by_what(points).items():
        rows = [point["rows"] for point in own]
        seconds = np.array([point["seconds"] for point in own])
        bars = np.abs(np.array([point["range_s"] for point in own]).T - seconds)
        time_axis.errorbar(rows, seconds, bars, marker="o", markersize=3, capsize=2, label=what)
        memory_axis.plot(rows, [point["peak_mib"] for point in own], marker="o", markersize=3)
    time_axis.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds")
    memory_axis.set(xscale="log", xlabel="rows", ylabel="peak memory, MiB", ylim=(0, None))
    for axis in (time_axis, memory_axis):
        axis.grid(alpha=0.3)
    figure.legend(*time_axis.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of MP4 files, copied as often as it takes")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--embed-up-to", type=int, default=100_000)
    parser.add_argument("--videos", type=int, nargs="+", default=[1, 6, 24])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    points = measured(options)
    show(points, options.figure)
    if options.results is not None:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(points, indent=1) + "\n")


if __name__ == "__main__":
    main()
