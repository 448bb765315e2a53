"""The paper's three steps at equal numbers of pairs: single source; with curriculum; with curriculum, then 3 sources.

Two more arms explain the difference: a single source with half the pairs (as many as the curriculum learns from), and
three sources from the start. Each arm and seed is trained on the training people of YouTube Faces and measured on its
validation people: L1 on fixed pairs with one source (and with three, if the network takes them), and the error of a
linear landmark probe. Results go to a JSON file, one entry per run with the error of every face; runs already in it are
not repeated.

Run: python experiments/ablation.py STORE --data youtube_faces --runs RUNS --results docs/results/ablation.json
Then: python experiments/ablation.py --results docs/results/ablation.json --show
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fabnet
from fabnet.faces.window import Window
from fabnet.models.find_model import latest_checkpoint
from fabnet.models.model_folder import read_card
from fabnet.objectives.model_io import load_objective
from fabnet.probes.probe import probe
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.sampling.loader import frames_of
from fabnet.sampling.pairs import draw_fixed
from fabnet.store.track_store import TrackStore, open_store
from fabnet.training.validate import validate

ARMS = ("single", "curriculum", "curriculum, 3 sources", "single, half the pairs", "3 sources from the start")
COMPARED = ((0, 1), (1, 2), (0, 2), (3, 1), (0, 4), (4, 2))
"""Pairs of indices in `ARMS`: the second arm is compared with the first."""
BATCH = 64
COMMON: dict[str, Any] = {"validate_every": 50, "num_val_pairs": 512, "keep_checkpoints": 1}


def steps_for(pairs: int, sources: int = 1) -> int:
    return round(pairs / (BATCH * sources))


def train_arm(arm: str, seed: int, store: Path, runs: Path, pairs: int) -> Path:
    """Train an arm on its number of pairs; the third arm spends half on one source, half on three."""
    changes = COMMON | {"seed": seed}
    if arm == ARMS[0]:
        return trained(store, runs / f"single-{seed}", changes | {"max_steps": steps_for(pairs)})
    if arm == ARMS[3]:
        return trained(store, runs / f"single-half-{seed}", changes | {"max_steps": steps_for(pairs // 2)})
    if arm == ARMS[4]:
        start = {"max_steps": steps_for(pairs, 3), "sources": 3, "validate_every": 25}
        return trained(store, runs / f"start-three-{seed}", changes | start)
    changes |= {"curriculum": True, "curriculum_patience": 1}
    if arm == ARMS[1]:
        return trained(store, runs / f"curriculum-{seed}", changes | {"max_steps": steps_for(pairs)})
    first = trained(store, runs / f"half-{seed}", changes | {"max_steps": steps_for(pairs // 2)})
    tuning = {"max_steps": steps_for(pairs // 2, 3), "sources": 3, "init": str(first), "validate_every": 25}
    return trained(store, runs / f"three-{seed}", COMMON | {"seed": seed} | tuning)


def trained(store: Path, run: Path, changes: dict[str, Any]) -> Path:
    """The last checkpoint of a run: all arms stop at their number of pairs, never by validation loss."""
    fabnet.train(store, run, resume=(run / "checkpoints").is_dir(), **changes)
    return latest_checkpoint(run)


def measure(model: Path, store: TrackStore, data: Path) -> dict[str, Any]:
    """Validation L1, and the landmark error of each face of the validation people."""
    report = probe(model, "youtube-faces", data, split="val", seeds=1)
    found = {(each.task, each.probe): each for each in report.scored}
    ridge, paper = found["landmarks68", "ridge"], found["landmarks68", "paper"]
    names = read_benchmark("youtube-faces", data).names
    people = [names[place].split("/")[0] for place in ridge.places]
    errors = ridge.figures[0].of(np.eye(len(people)))
    objective, card = load_objective(model)
    index = store.index("val", 4)
    losses = {}
    for sources in (1, 3) if int(card.architecture.get("num_sources", 1)) > 1 else (1,):
        drawn = draw_fixed(index.starts, index.lengths, num_samples=1024, num_sources=sources)
        parts = (drawn.at(slice(first, first + 64)) for first in range(0, len(drawn.rows), 64))
        made = validate(
            objective,
            (torch.from_numpy(frames_of(part, store, window=Window(*card.window), size=card.size)) for part in parts),
            num_samples=len(drawn.rows), num_tracks=len(index.starts),
            device=torch.device("cpu"), dtype=torch.float32,
        )  # fmt: skip
        losses[f"l1_{sources}"] = made.loss
    return losses | {
        "landmarks_percent": ridge.by_seed[0],
        "landmarks_percent_paper_probe": paper.by_seed[0],
        "errors": [round(float(error), 3) for error in errors],
        "people": people,
        "training": read_card(model).training,
    }


def show(results: list[dict[str, Any]]) -> None:
    """Print the table, and the differences with intervals over people and seeds jointly."""
    for arm in ARMS:
        rows = [row for row in results if row["arm"] == arm]
        if not rows:
            continue
        print(f"\n{arm}: seeds {[row['seed'] for row in rows]}")
        for name in ("l1_1", "l1_3", "landmarks_percent", "landmarks_percent_paper_probe"):
            values = np.array([row[name] for row in rows if name in row])
            if len(values):
                spread = f" +- {values.std(ddof=1):.4f}" if len(values) > 1 else ""
                print(f"  {name}: {values.mean():.4f}{spread}  {np.round(values, 4).tolist()}")
    for first, second in ((ARMS[i], ARMS[j]) for i, j in COMPARED):
        compare(results, first, second)


def compare(results: list[dict[str, Any]], first: str, second: str) -> None:
    """The difference in landmark error, paired by face and seed; bootstrap over people and seeds."""
    by = {(row["arm"], row["seed"]): row for row in results}
    seeds = sorted(seed for arm, seed in by if arm == first and (second, seed) in by)
    if not seeds:
        return
    _, codes = np.unique(by[first, seeds[0]]["people"], return_inverse=True)
    counts = np.bincount(codes)
    sums = np.stack(
        [
            np.bincount(codes, np.array(by[second, seed]["errors"]) - np.array(by[first, seed]["errors"]))
            for seed in seeds
        ]
    )
    rng = np.random.default_rng(0)
    means = []
    for _ in range(4000):
        people = rng.integers(0, len(counts), len(counts))
        chosen = rng.integers(0, len(seeds), len(seeds))
        means.append(sums[chosen][:, people].sum() / (len(seeds) * counts[people].sum()))
    low, high = np.percentile(means, [2.5, 97.5])
    total = sums.sum() / (len(seeds) * counts.sum())
    verdict = "resolved" if low > 0 or high < 0 else "not resolved"
    print(f"\n{second} minus {first}: {total:+.2f} points of landmark error [{low:+.2f}, {high:+.2f}], {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, help="the folder with landmarks68.csv")
    parser.add_argument("--runs", type=Path, help="folder for the runs")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=135_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS[:3])
    parser.add_argument("--show", action="store_true", help="show existing results, train nothing")
    options = parser.parse_args()
    results = json.loads(options.results.read_text()) if options.results.is_file() else []
    for seed, arm in ((seed, arm) for seed in options.seeds for arm in options.arms if not options.show):
        if any((row["arm"], row["seed"]) == (arm, seed) for row in results):
            continue
        model = train_arm(arm, seed, options.store, options.runs, options.pairs)
        made = measure(model, open_store(options.store), options.data)
        results.append({"arm": arm, "seed": seed, "pairs": options.pairs, **made})
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results) + "\n")
    show(results)


if __name__ == "__main__":
    main()
