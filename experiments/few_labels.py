"""How many labels are needed: linear probes on 50, 200, 1000 and all labelled faces, for several encoders.

Of n labels, four fifths fit the probe and one fifth chooses the penalty, drawn from the same disjoint people as in the
full benchmark; each number is drawn several times. Every encoder gets the same draws and is scored on the same faces.

Run: python experiments/few_labels.py --models "small" "untrained=random:0" "autoencoder=RUN" --data DATA --split test \
--results docs/results/few_labels.json --figure docs/figures/few_labels.png
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from baselines import FOLDERS
from curves import arguments, draw_curves, named, table, write_rows

from fabnet.encoders.digest import model_digest
from fabnet.encoders.load_encoder import load
from fabnet.files.places import cache_folder
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import linear_fit_predict, probe_name, score_task
from fabnet.probes.faces import find_faces
from fabnet.probes.features import embed_faces
from fabnet.probes.metrics import bootstrap_weights, interval
from fabnet.probes.parts import Parts, parts_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.task import Task

TASKS = {"youtube-faces": ("landmarks68", "pose"), "mtfl": ("landmarks5", "smile"), "ferplus": ("expression",)}
LABELS = (50, 200, 1000)
SELECT_SHARE = 0.2


def fewer(parts: Parts, count: int, task: Task, seed: int) -> Parts:
    """Parts with `count` labelled faces to fit and choose on."""
    generator = np.random.default_rng(seed)
    chosen = round(count * SELECT_SHARE)
    labelled = [part[np.isfinite(task.targets[part]).any(axis=1)] for part in (parts.fit, parts.select)]
    drawn = [generator.permutation(part)[:n] for part, n in zip(labelled, (count - chosen, chosen), strict=True)]
    return Parts(drawn[0], drawn[1], parts.score)


class Drawn(NamedTuple):
    """A task's headline figure with few labels, over several draws of them."""

    metric: str
    """Name of the figure."""
    by_draw: list[float]
    """The figure of each draw of labels."""
    resampled: np.ndarray
    """(draws, R) the figure of each draw in each resampling of people."""


def with_labels(
    features: np.ndarray, benchmark: Benchmark, seen_px: np.ndarray, task: Task, parts: Parts, count: int | None, *,
    draws: int, pca: int | None,
) -> Drawn:  # fmt: skip
    """Score a linear probe that is fitted on `count` labelled faces, drawn `draws` times; None: on all, once."""
    scored = [
        score_task(
            task, seen_px, [parts if count is None else fewer(parts, count, task, seed)],
            linear_fit_predict(features, task, "ridge", pca=pca), probe=probe_name("ridge", task),
        )
        for seed in range(draws if count is not None else 1)
    ]  # fmt: skip
    figures = [figure for each in scored for figure in each.figures if figure.is_headline]
    weights = bootstrap_weights(benchmark.owners[scored[0].places])
    resampled = np.array([figure.of(weights) for figure in figures])
    return Drawn(figures[0].metric, [each.by_seed[0] for each in scored], resampled)


def measure(
    model: str, benchmark: Benchmark, split: Literal["val", "test"], draws: int, cache: Cache
) -> list[dict[str, Any]]:
    """One row per task and number of labels: the mean over the draws, its interval over people and draws, each draw."""
    encoder = load(model)
    crops = find_faces(benchmark, cache=cache)
    features = embed_faces(encoder, benchmark, crops, digest=model_digest(model), cache=cache)
    seen_px = crops.seen_px(encoder.window)
    (parts,) = parts_of(benchmark, split)
    rows = []
    for task in benchmark.tasks:
        if task.name not in TASKS[benchmark.name]:
            continue
        everything = int(np.isfinite(task.targets[np.concatenate(parts[:2])]).any(axis=1).sum())
        for count in (*(each for each in LABELS if each < everything), None):
            made = with_labels(features, benchmark, seen_px, task, parts, count, draws=draws, pca=encoder.pca)
            drawn, resamplings = made.resampled.shape
            chosen = np.random.default_rng(1).integers(0, drawn, resamplings)
            low, high = interval(made.resampled[chosen, np.arange(resamplings)])
            rows.append({"protocol": benchmark.name, "task": task.name, "metric": made.metric,
                         "labels": everything if count is None else count, "value": float(np.mean(made.by_draw)),
                         "low": low, "high": high, "by_draw": made.by_draw})  # fmt: skip
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    cache, rows = Cache(options.cache or cache_folder()), []
    for protocol in TASKS:
        benchmark = read_benchmark(protocol, options.data / FOLDERS[protocol])
        for name, model in named(options.models).items():
            rows += [{"model": name, **row} for row in measure(model, benchmark, options.split, options.draws, cache)]
    print(table(rows, "labels"))
    write_rows(rows, options.results)
    draw_curves(rows, "labels", options.figure, log=True)


if __name__ == "__main__":
    main()
