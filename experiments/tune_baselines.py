"""The same tuning trials for every method: short runs at three learning rates, chosen on validation people.

A trial's loss is the mean of two errors, on landmarks and on expressions (100 - AUC) with the closed-form probes, each
relative to the untrained encoder's; the lowest wins and is set in `baselines.LEARNING_RATES`.

Run: python experiments/tune_baselines.py --store ytf.lance --runs RUNS --data DATA
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from baselines import FOLDERS, METHODS, is_scored, score, trained

from fabnet.probes.protocols.registry import read_benchmark

RATES = (3e-4, 1e-3, 3e-3)
ASKED = {"youtube-faces": ("landmarks68", "ridge", 0.0), "ferplus": ("expression", "logistic", 100.0)}
"""By protocol: its task, its probe, and the figure of a perfect model."""


def errors_left(model: str, name: str, data: Path, runs: Path, cache: Path | None) -> np.ndarray:
    """A model's error on each task in `ASKED`; its predictions are saved under `name`."""
    left = []
    for protocol, (asked, probe, perfect) in ASKED.items():
        file = runs / "scores" / f"{name}-{protocol}-val.npz"
        if not is_scored(model, file):
            score(model, protocol, "val", data, file, cache)
        tasks = {task.name: task for task in read_benchmark(protocol, data / FOLDERS[protocol]).tasks}
        with np.load(file) as content:
            places = content["places"]
            figure = tasks[asked].figures(content[f"{asked}/{probe}"], tasks[asked].targets[places])[0]
        left.append(abs(perfect - float(figure.of(np.ones((1, len(places)), dtype=np.float32))[0])))
    return np.array(left)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options = parser.parse_args()
    floor = errors_left("random:0", "random-0", options.data, options.runs, options.cache)
    print("| method | learning rate | landmarks, error % | expressions, 100 - AUC | loss |\n|---|---|---|---|---|")
    for method, rate in product(options.methods, RATES):
        name = f"{method}-{rate:g}"
        run = options.runs / name
        model = trained(method, 0, options.store, run, images=options.images, learning_rate=rate)
        left = errors_left(str(model), name, options.data, options.runs, options.cache)
        print(f"| {method} | {rate:g} | {left[0]:.2f} | {left[1]:.2f} | {(left / floor).mean():.3f} |", flush=True)


if __name__ == "__main__":
    main()
