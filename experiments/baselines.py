"""FAb-Net next to the paper's baselines: same encoder, same frames, same number of images, same probes.

Every method and seed is trained on the training people of a store of YouTube Faces, then scored on the open protocols.
Predictions are saved, so that differences are paired face by face and the table is rebuilt quickly.

Run: python experiments/baselines.py --store ytf.lance --runs RUNS --data DATA
Then: python experiments/baselines.py --runs RUNS --data DATA --show --results docs/results/baselines.json
DATA holds the folders youtube_faces, mtfl, ferplus and ckplus48.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from curves import write_rows

import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.models.find_model import latest_checkpoint
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.direct import DIRECT
from fabnet.probes.metrics import bootstrap_weights, interval
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.task import Task

METHODS = ("fabnet", "autoencoder", "rotnet", "splitbrain")
FLOORS = ("random", "pixels", "dlib-identity", "mean")
FOLDERS = {"youtube-faces": "youtube_faces", "mtfl": "mtfl", "ferplus": "ferplus", "ckplus": "ckplus48"}
BATCH = 64
LEARNING_RATES = {"fabnet": 1e-3, "autoencoder": 1e-3, "rotnet": 1e-3, "splitbrain": 3e-3}  # from tune_baselines.py
DRAWS = 1000


def trained(method: str, seed: int, store: Path, run: Path, *, images: int, learning_rate: float) -> Path:
    """The last checkpoint of a run: all stop at the same number of images, never by validation loss."""
    fabnet.train(
        store, run, resume=(run / "checkpoints").is_dir(), objective=method, seed=seed, learning_rate=learning_rate,
        max_steps=round(images / (2 * BATCH)), validate_every=50, num_val_pairs=512, keep_checkpoints=1,
    )  # fmt: skip
    return latest_checkpoint(run)


def model_of(method: str, seed: int, runs: Path) -> str | None:
    """The model for `fabnet.load`; None if it was not trained, or if a floor lacks the seed."""
    if method == "random":
        return f"random:{seed}"
    if method in FLOORS:
        return method if seed == 0 else None
    run = runs / f"{method}-{seed}"
    return str(latest_checkpoint(run)) if (run / "checkpoints").is_dir() else None


def digest_of(model: str) -> str:
    """Digest of a model's weights; the name for a method that learns from the labels, as it has no weights yet."""
    return model if model in DIRECT else model_digest(model)


def score(model: str, protocol: str, split: str, data: Path, file: Path, cache: Path | None) -> None:
    """Score a model on a protocol and save its predictions."""
    report = fabnet.probe(model, protocol, data / FOLDERS[protocol], split=split, seeds=1, cache=cache)
    arrays = {f"{each.task}/{each.probe}": each.predicted.astype(np.float32) for each in report.scored}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, places=report.scored[0].places, digest=digest_of(model), **arrays)  # type: ignore[arg-type]


def is_scored(model: str, file: Path) -> bool:
    """Whether a file holds the predictions of exactly this model."""
    if not file.is_file():
        return False
    with np.load(file) as content:
        return str(content["digest"]) == digest_of(model)


def holds(file: Path, key: str) -> bool:
    """Whether a file holds predictions for a task and probe: the file may be older than the task."""
    if not file.is_file():
        return False
    with np.load(file) as content:
        return key in content


def split_of(protocol: str, split: str) -> str:
    """The split to score: always test for CK+, which is cross-validated over everybody."""
    return "test" if protocol == "ckplus" else split


def file_of(method: str, seed: int, protocol: str, split: str, runs: Path) -> Path:
    return runs / "scores" / f"{method}-{seed}-{protocol}-{split_of(protocol, split)}.npz"


class Drawn:
    """A method's headline figure on a task over its seeds, with bootstrap draws over people and seeds jointly."""

    def __init__(self, task: Task, files: list[Path], key: str, places: np.ndarray, weights: np.ndarray) -> None:
        ones = np.ones((1, len(places)), dtype=np.float32)
        values, draws = [], []
        for file in files:
            with np.load(file) as content:
                (figure,) = [each for each in task.figures(content[key], task.targets[places]) if each.is_headline]
            values.append(float(figure.of(ones)[0]))
            draws.append(figure.of(weights))
        self.metric, self.values = figure.metric, np.array(values)
        chosen = np.random.default_rng(1).integers(0, len(files), (len(files), len(weights)))
        self.draws = np.array(draws)[chosen, np.arange(len(weights))].mean(axis=0)

    @property
    def value(self) -> float:
        """The mean over the seeds."""
        return float(self.values.mean())


def compared(
    benchmark: Benchmark, task: Task, probe: str, split: str, seeds: list[int], runs: Path, methods: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per method: its figure, its paired difference from the first method, and the ratio of their errors."""
    drawn: dict[str, Drawn] = {}
    places: np.ndarray | None = None
    first = methods[0]
    for method in methods:
        files = [file_of(method, seed, benchmark.name, split, runs) for seed in seeds]
        # Methods that learn from the labels have no probe.
        keys = [key for key in (f"{task.name}/{probe}", f"{task.name}/none") if any(holds(file, key) for file in files)]
        files = [file for file in files if keys and holds(file, keys[0])]
        if not files:
            continue
        for file in files:
            with np.load(file) as content:
                assert places is None or np.array_equal(places, content["places"]), f"{file} scores other faces"
                places = content["places"]
        assert places is not None
        weights = bootstrap_weights(benchmark.owners[places], draws=DRAWS)
        drawn[method] = Drawn(task, files, keys[0], places, weights)
    rows = []
    for method, own in drawn.items():
        row: dict[str, Any] = {
            "protocol": benchmark.name, "split": split_of(benchmark.name, split), "task": task.name, "probe": probe,
            "metric": own.metric, "method": method, "seeds": len(own.values), "value": own.value,
            "by_seed": own.values.tolist(), "interval": interval(own.draws),
        }  # fmt: skip
        if method != first and first in drawn:
            ours = drawn[first]
            row[f"{first}_minus_this"] = ours.value - own.value
            row[f"{first}_minus_this_interval"] = interval(ours.draws - own.draws)
            if "correlation" not in own.metric:
                whole = 100.0 if "AUC" in own.metric else 0.0
                row["error_ratio"] = (whole - ours.value) / (whole - own.value)
                row["error_ratio_interval"] = interval((whole - ours.draws) / (whole - own.draws))
        rows.append(row)
    return rows


def all_compared(
    methods: Sequence[str], protocols: Sequence[str], split: str, seeds: list[int], runs: Path, data: Path
) -> list[dict[str, Any]]:
    """The rows of `compared` for every task, by the closed-form probe and the paper's."""
    rows = []
    for protocol in protocols:
        benchmark = read_benchmark(protocol, data / FOLDERS[protocol])
        for task in benchmark.tasks:
            closed = "logistic" if task.kind in ("classes", "units") else "ridge"
            for probe in (closed, "paper"):
                rows += compared(benchmark, task, probe, split, seeds, runs, methods)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print Markdown: for each kind of probe, methods by tasks, and the ratios of the first method's error to theirs.

    In brackets: the first method's figure minus the method's, paired face by face, with its 95 % interval.
    """
    for name, is_papers in (("The paper's probe", True), ("In closed form", False)):
        chosen = [row for row in rows if (row["probe"] == "paper") == is_papers]
        tasks = list(dict.fromkeys((row["protocol"], row["task"], row["metric"]) for row in chosen))
        cells = {(row["method"], row["protocol"], row["task"]): row for row in chosen}
        methods = list(dict.fromkeys((row["method"]) for row in chosen))
        for title, cell in ((name, _figure), (f"{name}: error of {methods[0]} over the method's", _ratio)):
            print(f"\n{title}\n")
            print(
                "| method | " + " | ".join(f"{protocol}, {task}: {metric}" for protocol, task, metric in tasks) + " |"
            )
            print("|---" * (len(tasks) + 1) + "|")
            for method in methods:
                found = [cells.get((method, protocol, task)) for protocol, task, _ in tasks]
                print(f"| {method} | " + " | ".join("-" if row is None else cell(row) for row in found) + " |")


def _figure(row: dict[str, Any]) -> str:
    text = f"{row['value']:.2f}"
    if row["seeds"] > 1:
        text += f" +- {np.std(row['by_seed'], ddof=1):.2f}"
    for less in row:
        if less.endswith("_minus_this"):
            return text + " ({:+.2f} [{:+.2f}, {:+.2f}])".format(row[less], *row[f"{less}_interval"])
    return text + " [{:.2f}, {:.2f}]".format(*row["interval"])


def _ratio(row: dict[str, Any]) -> str:
    if "error_ratio" not in row:
        return "-"
    return "{:.2f} [{:.2f}, {:.2f}]".format(row["error_ratio"], *row["error_ratio_interval"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="track store to train on; without it nothing is trained")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=[*METHODS, *FLOORS])
    parser.add_argument("--protocols", nargs="+", default=list(FOLDERS))
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--show", action="store_true", help="show existing results, train and score nothing")
    parser.add_argument("--results", type=Path, help="JSON file for the rows")
    options = parser.parse_args()
    for seed, method in product(options.seeds, options.methods):
        if options.show:
            break
        if method in METHODS and options.store is not None:
            run, rate = options.runs / f"{method}-{seed}", LEARNING_RATES[method]
            trained(method, seed, options.store, run, images=options.images, learning_rate=rate)
        model = model_of(method, seed, options.runs)
        for protocol in options.protocols:
            file = file_of(method, seed, protocol, options.split, options.runs)
            if model is not None and not options.train_only and not is_scored(model, file):
                score(model, protocol, split_of(protocol, options.split), options.data, file, options.cache)
    if options.train_only:
        return
    rows = all_compared(
        (*METHODS, *FLOORS), options.protocols, options.split, options.seeds, options.runs, options.data
    )
    show(rows)
    write_rows(rows, options.results)


if __name__ == "__main__":
    main()
